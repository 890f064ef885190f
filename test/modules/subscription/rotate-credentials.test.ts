import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rotateSubscriptionCredentials } from '../../../src/modules/subscription/rotate-credentials.ts';
import { RotateSubscriptionCredentialsDocument } from '../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../support/api.ts';
import { buildSubscription, inDays } from '../../support/factories.ts';
import { callerOf, newDevice } from '../../support/household.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

const reload = (id: string) => api.services.db.userSubscription.findUniqueOrThrow({ where: { id } });

describe('rotateSubscriptionCredentials', () => {
  it('replaces the credential and the token of one subscription and changes nothing else', async () => {
    const { db } = api.services;
    const phone = await newDevice(api);
    const before = await buildSubscription(db, { userId: phone.userId });
    const other = await buildSubscription(db, { userId: phone.userId });

    const { rotateSubscriptionCredentials: rotated } = await phone.get(
      RotateSubscriptionCredentialsDocument,
      {
        id: before.id,
      },
    );

    const after = await reload(before.id);
    const { token, credential, version } = after;
    expect(rotated).toEqual({ id: before.id, token, credential, version, status: 'ACTIVE' });
    expect(token).not.toBe(before.token);
    expect(credential).not.toBe(before.credential);
    expect(version).toBe(before.version + 1);
    expect(after.revision).toBeGreaterThan(before.revision);
    const { revision, revisedAt } = after;
    expect({ ...before, token, credential, version, revision, revisedAt }).toEqual(after);
    expect(await reload(other.id)).toEqual(other);
  });

  it('lets an admin rotate those of any user and returns the current status', async () => {
    const [phone, admin] = [await newDevice(api), await api.newAdmin()];
    const { id } = await buildSubscription(api.services.db, {
      userId: phone.userId,
      startsAt: inDays(-9),
      expiresAt: inDays(-1),
    });

    const { rotateSubscriptionCredentials: rotated } = await admin.get(
      RotateSubscriptionCredentialsDocument,
      {
        id,
      },
    );

    expect(rotated).toMatchObject({ id, status: 'EXPIRED', version: 2 });
    expect(await auditsOf(id)).toMatchObject([{ actorId: admin.userId }]);
  });

  it('returns NOT_FOUND for a subscription of another user', async () => {
    const [phone, stranger] = [await newDevice(api), await newDevice(api)];
    const before = await buildSubscription(api.services.db, { userId: phone.userId });

    const { extensions } = await stranger.refused(RotateSubscriptionCredentialsDocument, { id: before.id });

    expect(extensions.code).toBe('NOT_FOUND');
    expect(await reload(before.id)).toEqual(before);
  });

  it('accepts an id in upper case', async () => {
    const phone = await newDevice(api);
    const before = await buildSubscription(api.services.db, { userId: phone.userId });

    await phone.get(RotateSubscriptionCredentialsDocument, { id: before.id.toUpperCase() });

    expect((await reload(before.id)).credential).not.toBe(before.credential);
  });

  it('serializes ten concurrent rotations and audits each with the version it replaced', async () => {
    const phone = await newDevice(api);
    const { id } = await buildSubscription(api.services.db, { userId: phone.userId });

    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        rotateSubscriptionCredentials(api.services, { caller: callerOf(phone), id }),
      ),
    );

    const last = await reload(id);
    const before = (await auditsOf(id)).map((entry) => (entry.before as { version: number }).version);
    expect(before.sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, index) => index + 1));
    expect(answers.map(({ version }) => version).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 10 }, (_, index) => index + 2),
    );
    expect(answers.find(({ version }) => version === 11)).toMatchObject({
      credential: last.credential,
      token: last.token,
    });
  });

  it('records an audit entry without credential or token', async () => {
    const phone = await newDevice(api);
    const before = await buildSubscription(api.services.db, { userId: phone.userId });

    await phone.get(RotateSubscriptionCredentialsDocument, { id: before.id });

    const entries = await auditsOf(before.id);
    const after = await reload(before.id);
    expect(entries).toMatchObject([
      { action: 'rotateSubscriptionCredentials', before: { version: 1 }, after: { version: 2 } },
    ]);
    for (const secret of [before.token, before.credential, after.token, after.credential]) {
      expect(JSON.stringify(entries)).not.toContain(secret);
    }
  });
});

const auditsOf = (targetId: string) => api.services.db.auditEntry.findMany({ where: { targetId } });
