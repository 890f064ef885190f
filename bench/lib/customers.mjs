import { randomUUID } from 'node:crypto';
import { signAccessToken } from '../../dist/src/modules/identity/session/access-token.js';
import { sealCode } from '../../dist/src/modules/redemption/code/code-vault.js';
import { randomCode } from '../../dist/src/modules/redemption/code/redemption-code.js';
import { createServices } from '../../dist/src/platform/services.js';
import { seedBatch, seedUsers } from './seed.mjs';

const LOG = { warn() {}, error() {}, info() {}, debug() {} };

/**
 * Creates users with access tokens, which expire after ten minutes, and any number of codes for
 * them.
 */
export async function createCustomers({ databaseUrl, redisUrl, secretKey, db }, count) {
  const services = await createServices({ databaseUrl, redisUrl, secretKey, rateLimits: false, log: LOG });
  const { batchId } = await seedBatch(db);
  const userIds = await seedUsers(db, count);
  const sessionIds = userIds.map(() => randomUUID());
  await db.query(
    `INSERT INTO sessions (id, user_id, refresh_seed, expires_at)
     SELECT s.id, s.user_id, sha256(s.id::text::bytea), now() + interval '30 days'
     FROM unnest($1::uuid[], $2::uuid[]) AS s(id, user_id)`,
    [sessionIds, userIds],
  );
  const newTokens = async () => {
    const issuedAt = new Date();
    const signed = await Promise.all(
      userIds.map((userId, place) =>
        signAccessToken(services.signingKeys, { userId, sessionId: sessionIds[place], issuedAt }),
      ),
    );
    return signed.map(({ accessToken }) => accessToken);
  };
  return {
    userIds,
    tokens: await newTokens(),
    newTokens,
    services,
    newCodes: (codes) => insertCodes(db, services, batchId, codes),
    close: () => services.close(),
  };
}

async function insertCodes(db, services, batchId, count) {
  const codes = Array.from({ length: count }, () => randomCode());
  const sealed = codes.map((code) => sealCode(services, code));
  await db.query(
    `INSERT INTO redemption_codes (id, batch_id, lookup, ciphertext, hint, max_uses)
     SELECT uuidv7(), $1, c.lookup, c.ciphertext, c.hint, 1
     FROM unnest($2::bytea[], $3::bytea[], $4::text[]) AS c(lookup, ciphertext, hint)`,
    [
      batchId,
      sealed.map(({ lookup }) => lookup),
      sealed.map(({ ciphertext }) => ciphertext),
      sealed.map(({ hint }) => hint),
    ],
  );
  return codes;
}
