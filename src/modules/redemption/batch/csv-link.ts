import { createHash } from 'node:crypto';
import type { RedemptionBatch } from '../../../generated/prisma/client.ts';
import type { Coalescer } from '../../../platform/concurrency/coalescer.ts';
import { databaseNow, SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { consumeNonce } from '../../../platform/keys/consume-nonce.ts';
import { DecryptionError, type Secrets } from '../../../platform/keys/secrets.ts';
import type { RequestScope } from '../../../platform/request-scope.ts';
import type { Services } from '../../../platform/services.ts';
import type { Caller } from '../../kernel/caller.ts';
import { SESSION_LIVES } from '../../kernel/live-session.ts';
import { recordAudit } from '../../kernel/record-audit.ts';

/** The token follows as the last part of the path. */
export const CSV_PATH = '/csv/';

/** Part of the link of a file that starts with a byte order mark. */
const BOM_QUERY = '?bom=1';

const PURPOSE = 'batch-csv';
const LINK_MS = 300 * SECOND_MS;
const ID_BYTES = 16;
const TIME_BYTES = 8;

/** The content of a token: a one-time permission to download the codes of a batch. */
export interface CsvLink {
  batchId: string;
  /** The session of the admin who requested the link. The link is valid only while it is live. */
  sessionId: string;
}

/**
 * Creates tokens that expire in five minutes. They are not stored: a token is its encrypted
 * content, so it can be neither read nor forged.
 */
export async function makeCsvTokens(
  { db, secrets }: { db: Pick<Transaction, '$queryRaw'>; secrets: Secrets },
  links: readonly CsvLink[],
): Promise<PromiseSettledResult<string>[]> {
  const expiry = Buffer.alloc(TIME_BYTES);
  expiry.writeBigUInt64BE(BigInt((await databaseNow(db)).getTime() + LINK_MS));
  return links.map(({ batchId, sessionId }) => ({
    status: 'fulfilled',
    value: secrets
      .encrypt(PURPOSE, Buffer.concat([bytesOf(batchId), bytesOf(sessionId), expiry]))
      .toString('base64url'),
  }));
}

/**
 * Creates a link to the codes of a batch; it is absolute if the origin of the request is known.
 *
 * @returns null if the batch is incomplete or deleted, or the caller is not an admin
 */
export async function csvUrl(
  {
    caller,
    request,
    csvTokens,
  }: { caller: Caller; request: RequestScope; csvTokens: Coalescer<CsvLink, string> },
  { id, count, created, deletedAt }: RedemptionBatch,
  { hasByteOrderMark }: { hasByteOrderMark: boolean },
): Promise<string | null> {
  const isAdmin = caller.kind === 'user' && caller.role === 'ADMIN';
  if (!isAdmin || created < count || deletedAt !== null) return null;
  const token = await csvTokens.add({ batchId: id, sessionId: caller.sessionId });
  return `${request.origin ?? ''}${CSV_PATH}${token}${hasByteOrderMark ? BOM_QUERY : ''}`;
}

/**
 * Redeems a token for its batch, audited. A token works once, also for concurrent requests.
 *
 * @returns null if the token is invalid, expired or already used, if the session of its admin is no
 *   longer live, or if its batch was deleted
 */
export async function spendCsvToken(
  { db, secrets }: Pick<Services, 'db' | 'secrets'>,
  token: string,
): Promise<RedemptionBatch | null> {
  const bytes = Buffer.from(token, 'base64url');
  const link = readToken(secrets, bytes);
  if (!link) return null;
  return db.$transaction(async (tx) => {
    const nonce = createHash('sha256').update(bytes).digest();
    if (!(await consumeNonce(tx, { nonce, endsAt: link.endsAt }))) return null;
    const batch = await tx.redemptionBatch.findUnique({ where: { id: link.batchId, deletedAt: null } });
    const actorId = await findAdmin(tx, link.sessionId);
    if (!batch || actorId === null) return null;
    await recordAudit(tx, {
      ...{ action: 'downloadRedemptionCodes', actorId, targetId: batch.id },
      after: { codes: batch.created },
    });
    return batch;
  });
}

function readToken(secrets: Secrets, token: Buffer): (CsvLink & { endsAt: Date }) | null {
  try {
    const bytes = secrets.decrypt(PURPOSE, token);
    return {
      batchId: idOf(bytes.subarray(0, ID_BYTES)),
      sessionId: idOf(bytes.subarray(ID_BYTES, 2 * ID_BYTES)),
      endsAt: new Date(Number(bytes.readBigUInt64BE(2 * ID_BYTES))),
    };
  } catch (error) {
    if (error instanceof DecryptionError) return null;
    throw error;
  }
}

/** The id of the admin whose session this is; null if the session is not live. */
async function findAdmin(tx: Pick<Transaction, '$queryRaw'>, sessionId: string): Promise<string | null> {
  const [admin] = await tx.$queryRaw<{ id: string }[]>`
    SELECT u.id FROM sessions s
    JOIN users u ON u.id = s.user_id
    LEFT JOIN devices d ON d.id = s.device_id
    WHERE s.id = ${sessionId}::uuid AND s.device_id IS NULL AND u.role = 'ADMIN' AND ${SESSION_LIVES}`;
  return admin?.id ?? null;
}

const bytesOf = (id: string) => Buffer.from(id.replaceAll('-', ''), 'hex');
const idOf = (bytes: Buffer) =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
