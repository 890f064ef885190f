import { setTimeout } from 'node:timers/promises';
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

/**
 * Creates users with access tokens directly: logging each one in would take most of the test's
 * time.
 */
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

/**
 * Redeems as an app does: on a busy machine the process sheds part of such a burst, and says when to
 * try again.
 */
async function redeem(token: string, code: string) {
  for (;;) {
    const answer = await api.anonymous.as(token).ask(RedeemCodeDocument, { input: { code } });
    const retryAfterSeconds = answer.errors?.[0]?.extensions.retryAfterSeconds;
    if (answer.status !== 503 || typeof retryAfterSeconds !== 'number') return answer;
    await setTimeout(retryAfterSeconds * 1_000);
  }
}

/** Counts the outcomes: error codes, OK, and HTTP statuses other than 200. */
async function redeemAll(tokens: readonly string[], code: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const answers = tokens.map((token) => redeem(token, code));
  for (const { status, errors } of await Promise.all(answers)) {
    const name = status === 200 ? (errors?.[0]?.extensions.code ?? 'OK') : `HTTP ${status}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const settled = () =>
  eventually(async () => (await api.services.db.order.count({ where: { status: 'PAID' } })) === 0, 15_000);

describe('a code that is redeemed over HTTP', () => {
  it('with 100 uses is granted to exactly 100 of 2,000 concurrent users', async () => {
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

  it('is granted once to a user who sends 200 concurrent requests', async () => {
    const { id, code } = await newCode(api.services, { batch: { unitTime: 'DAY' }, code: { maxUses: null } });
    const [token = ''] = await newTokens(1);

    const counts = await redeemAll(new Array<string>(200).fill(token), code);

    expect(counts.OK).toBeGreaterThanOrEqual(1);
    const known = ['OK', 'CODE_ALREADY_REDEEMED', 'REDEMPTION_IN_PROGRESS'];
    expect(known).toEqual(expect.arrayContaining(Object.keys(counts)));
    await settled();
    expect(await api.services.db.order.count({ where: { codeId: id } })).toBe(1);
    expect(await api.services.db.redemption.count({ where: { codeId: id } })).toBe(1);
    expect(await checkInvariants(api.services.db)).toEqual([]);
  });
});
