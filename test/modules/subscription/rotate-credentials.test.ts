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

const present = (id: string) => api.services.db.userSubscription.findUniqueOrThrow({ where: { id } });

describe('rotateSubscriptionCredentials', () => {
  it('gives one subscription a new credential and token, and changes nothing else about it', async () => {
    const { db } = api.services;
    const phone = await newDevice(api);
    const before = await buildSubscription(db, { userId: phone.userId });
    const other = await buildSubscription(db, { userId: phone.userId });

    const { rotateSubscriptionCredentials: answer } = await phone.get(RotateSubscriptionCredentialsDocument, {
      id: before.id,
    });

    const after = await present(before.id);
    const { token, credential, version } = after;
    expect(answer).toEqual({ id: before.id, token, credential, version, status: 'ACTIVE' });
    expect(token).not.toBe(before.token);
    expect(credential).not.toBe(before.credential);
    expect(version).toBe(before.version + 1);
    expect(after.revision).toBeGreaterThan(before.revision);
    const { revision, revisedAt } = after;
    expect({ ...before, token, credential, version, revision, revisedAt }).toEqual(after);
    expect(await present(other.id)).toEqual(other);
  });

  it('does it for an admin, too, with the status by the clock', async () => {
    const [phone, admin] = [await newDevice(api), await api.newAdmin()];
    const { id } = await buildSubscription(api.services.db, {
      userId: phone.userId,
      startsAt: inDays(-9),
      expiresAt: inDays(-1),
    });

    const { rotateSubscriptionCredentials: answer } = await admin.get(RotateSubscriptionCredentialsDocument, {
      id,
    });

    expect(answer).toMatchObject({ id, status: 'EXPIRED', version: 2 });
    expect(await auditsOf(id)).toMatchObject([{ actorId: admin.userId }]);
  });

  it('is not for subscriptions of others', async () => {
    const [phone, stranger] = [await newDevice(api), await newDevice(api)];
    const before = await buildSubscription(api.services.db, { userId: phone.userId });

    const { extensions } = await stranger.refused(RotateSubscriptionCredentialsDocument, { id: before.id });

    expect(extensions.code).toBe('NOT_FOUND');
    expect(await present(before.id)).toEqual(before);
  });

  it('takes an id in capital letters', async () => {
    const phone = await newDevice(api);
    const before = await buildSubscription(api.services.db, { userId: phone.userId });

    await phone.get(RotateSubscriptionCredentialsDocument, { id: before.id.toUpperCase() });

    expect((await present(before.id)).credential).not.toBe(before.credential);
  });

  it('counts each of ten at once, and each is written down with the version that it found', async () => {
    const phone = await newDevice(api);
    const { id } = await buildSubscription(api.services.db, { userId: phone.userId });

    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        rotateSubscriptionCredentials(api.services, { caller: callerOf(phone), id }),
      ),
    );

    const last = await present(id);
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

  it('is written down with neither credential nor token', async () => {
    const phone = await newDevice(api);
    const before = await buildSubscription(api.services.db, { userId: phone.userId });

    await phone.get(RotateSubscriptionCredentialsDocument, { id: before.id });

    const entries = await auditsOf(before.id);
    const after = await present(before.id);
    expect(entries).toMatchObject([
      { action: 'rotateSubscriptionCredentials', before: { version: 1 }, after: { version: 2 } },
    ]);
    for (const secret of [before.token, before.credential, after.token, after.credential]) {
      expect(JSON.stringify(entries)).not.toContain(secret);
    }
  });
});

const auditsOf = (targetId: string) => api.services.db.auditEntry.findMany({ where: { targetId } });
