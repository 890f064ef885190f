import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signAccessToken } from '../../src/modules/identity/session/access-token.ts';
import { startWorker } from '../../src/worker.ts';
import { RedeemCodeDocument } from '../generated/graphql.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { newCode } from '../support/codes.ts';
import { bytes32, inDays } from '../support/factories.ts';
import { checkInvariants } from '../support/invariants.ts';
import { eventually } from '../support/redeeming.ts';

let api: TestApi;
let worker: ReturnType<typeof startWorker>;
beforeAll(async () => {
  api = await startTestApi();
  worker = startWorker(api.services, { BATCH_SIZE: 128 });
});
afterAll(async () => {
  await worker.stop();
  await api.close();
});

/** Access tokens of so many new users, made at once: logins one by one would take most of the test's time. */
async function newTokens(count: number): Promise<string[]> {
  const { db, signingKeys } = api.services;
  const users = await db.user.createManyAndReturn({ data: Array.from({ length: count }, () => ({})) });
  const sessions = await db.session.createManyAndReturn({
    data: users.map(({ id: userId }) => ({ userId, refreshSeed: bytes32(), expiresAt: inDays(1) })),
  });
  const tokens = sessions.map(({ id: sessionId, userId, createdAt: issuedAt }) =>
    signAccessToken(signingKeys, { userId, sessionId, issuedAt }),
  );
  return (await Promise.all(tokens)).map(({ accessToken }) => accessToken);
}

/** What each was told; anything but HTTP 200 by its status. */
async function redeemAll(tokens: readonly string[], code: string): Promise<Record<string, number>> {
  const told: Record<string, number> = {};
  const answers = tokens.map((token) => api.anonymous.as(token).ask(RedeemCodeDocument, { input: { code } }));
  for (const { status, errors } of await Promise.all(answers)) {
    const name = status === 200 ? (errors?.[0]?.extensions.code ?? 'OK') : `HTTP ${status}`;
    told[name] = (told[name] ?? 0) + 1;
  }
  return told;
}

const settled = () =>
  eventually(async () => (await api.services.db.order.count({ where: { status: 'PAID' } })) === 0, 15_000);

describe('a code', () => {
  it('for 100 is had by exactly 100 of 2,000 users who redeem it at once', async () => {
    const { id, code } = await newCode(api.services, { batch: { unitTime: 'DAY' }, code: { maxUses: 100 } });
    const tokens = await newTokens(2_000);

    expect(await redeemAll(tokens, code)).toEqual({ OK: 100, CODE_EXHAUSTED: 1_900 });

    await settled();
    expect(await api.services.db.redemptionCode.findUnique({ where: { id } })).toMatchObject({
      usedCount: 100,
      reservedCount: 0,
    });
    expect(await api.services.db.redemption.count({ where: { codeId: id } })).toBe(100);
    expect(await checkInvariants(api.services.db)).toEqual([]);
  }, 60_000);

  it('is had once by one user who redeems it 200 times at once', async () => {
    const { id, code } = await newCode(api.services, { batch: { unitTime: 'DAY' }, code: { maxUses: null } });
    const [token = ''] = await newTokens(1);

    const told = await redeemAll(new Array<string>(200).fill(token), code);

    expect(told.OK).toBeGreaterThanOrEqual(1);
    const known = ['OK', 'CODE_ALREADY_REDEEMED', 'REDEMPTION_IN_PROGRESS'];
    expect(known).toEqual(expect.arrayContaining(Object.keys(told)));
    await settled();
    expect(await api.services.db.order.count({ where: { codeId: id } })).toBe(1);
    expect(await api.services.db.redemption.count({ where: { codeId: id } })).toBe(1);
    expect(await checkInvariants(api.services.db)).toEqual([]);
  });
});
