import { setTimeout as sleep } from 'node:timers/promises';
import type { Transaction } from '../../../platform/database/database.ts';
import { toJson } from '../../../platform/database/sql-values.ts';
import { DecryptionError } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodes, lockServiceState } from '../../kernel/locks.ts';
import { resealCode } from './code-vault.ts';

/** Redemptions of these codes wait for the transaction. */
const CODES_PER_TRANSACTION = 500;

const BEFORE_FIRST = '00000000-0000-0000-0000-000000000000';

/** How far a pass over all codes has come. */
export interface ResealProgress {
  /** Number of codes passed, in all runs of this pass. */
  done: number;
  /** Number of codes in this run that no configured key opens. They stay as they are. */
  unreadable: number;
}

/**
 * Protects all codes with the secret key in use, in the order of their ids. Continues where an
 * interrupted pass ended (`service_state.resealed_code_id`), and pauses after each transaction for
 * as long as it took.
 *
 * @throws Error if two codes are equal, which only values of an earlier version can be
 */
export async function resealCodes(
  services: Pick<Services, 'db' | 'secrets' | 'log'>,
  onProgress: (progress: ResealProgress) => void,
): Promise<ResealProgress> {
  for (let unreadable = 0; ; ) {
    const startedAt = performance.now();
    const step = await services.db.$transaction((tx) => resealNext(services, tx));
    unreadable += step.unreadable;
    const progress = { done: step.done, unreadable };
    onProgress(progress);
    if (step.isLast) return progress;
    await sleep(performance.now() - startedAt);
  }
}

async function resealNext(
  services: Pick<Services, 'secrets' | 'log'>,
  tx: Transaction,
): Promise<ResealProgress & { isLast: boolean }> {
  await lockServiceState(tx);
  const state = await tx.serviceState.findUniqueOrThrow({ where: { id: 1 } });
  const rows = await tx.$queryRaw<{ id: string; ciphertext: Uint8Array }[]>`
    SELECT id, ciphertext FROM redemption_codes
    WHERE id > ${state.resealedCodeId ?? BEFORE_FIRST}::uuid ORDER BY id LIMIT ${CODES_PER_TRANSACTION}`;
  await lockCodes(
    tx,
    rows.map(({ id }) => id),
  );
  const results = rows.map((row) => reseal(services, row));
  const sealed = results.filter((result) => typeof result === 'object');
  await tx.$executeRaw`
    UPDATE redemption_codes AS c SET lookup = decode(v.lookup, 'hex'), ciphertext = decode(v.ciphertext, 'hex')
    FROM json_to_recordset(${toJson(sealed)}::json) AS v(id uuid, lookup text, ciphertext text) WHERE c.id = v.id`;
  const done = state.resealedCodes + rows.length;
  await tx.serviceState.update({
    where: { id: 1 },
    data: { resealedCodeId: rows.at(-1)?.id ?? state.resealedCodeId, resealedCodes: done },
  });
  return {
    done,
    unreadable: results.filter((result) => result === 'UNREADABLE').length,
    isLast: rows.length < CODES_PER_TRANSACTION,
  };
}

function reseal(
  services: Pick<Services, 'secrets' | 'log'>,
  row: { id: string; ciphertext: Uint8Array },
): { id: string; lookup: string; ciphertext: string } | 'UNREADABLE' | 'CURRENT' {
  try {
    const sealed = resealCode(services, row);
    if (!sealed) return 'CURRENT';
    return {
      id: row.id,
      lookup: sealed.lookup.toString('hex'),
      ciphertext: sealed.ciphertext.toString('hex'),
    };
  } catch (err) {
    if (!(err instanceof DecryptionError)) throw err;
    services.log.error({ codeId: row.id }, 'no configured secret key opens this redemption code');
    return 'UNREADABLE';
  }
}
