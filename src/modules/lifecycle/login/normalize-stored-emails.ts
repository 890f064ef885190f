import type { Identity } from '../../../generated/prisma/client.ts';
import { violatedConstraint } from '../../../platform/database/database.ts';
import { normalizeEmail } from '../../../platform/email.ts';
import type { Services } from '../../../platform/services.ts';
import { renameIdentity } from '../../identity/history/rename-identity.ts';
import { lockUsers } from '../../kernel/locks.ts';

type OddEmail = Pick<Identity, 'id' | 'userId' | 'value'>;

const PAGE_SIZE = 500;

/**
 * Brings the e-mail addresses that were stored before they had one form into it. An address whose
 * form another account has, or that is no address, stays: its account can log in with it as
 * before, and is named in the log.
 *
 * Runs at each start, and reads only addresses that are not plain ASCII, by an index of their own.
 *
 * @returns the number of changed addresses, and the ids of accounts that keep an odd one
 */
export async function normalizeStoredEmails({
  db,
  secrets,
  log,
}: Pick<Services, 'db' | 'secrets' | 'log'>): Promise<{ changed: number; keptBy: string[] }> {
  const result = { changed: 0, keptBy: [] as string[] };
  for await (const identity of oddEmails(db)) {
    const outcome = await normalize({ db, secrets }, identity);
    if (outcome === 'CHANGED') result.changed += 1;
    if (outcome === 'KEPT') result.keptBy.push(identity.userId);
  }
  const { changed, keptBy } = result;
  if (changed > 0) log.info({ changed }, 'e-mail addresses were normalized');
  if (keptBy.length > 0) {
    const users = keptBy.slice(0, 100);
    log.warn({ count: keptBy.length, users }, 'accounts whose e-mail address is odd, or looks like another');
  }
  return result;
}

async function* oddEmails(db: Services['db']): AsyncGenerator<OddEmail, void, void> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const page = await db.$queryRaw<OddEmail[]>`
      SELECT id, user_id AS "userId", value FROM identities
      WHERE type = 'EMAIL' AND NOT tessera_is_plain_email(value) AND id > ${after}::uuid
      ORDER BY id LIMIT ${PAGE_SIZE}`;
    yield* page;
    const last = page.at(-1);
    if (!last) return;
    after = last.id;
  }
}

async function normalize(
  { db, secrets }: Pick<Services, 'db' | 'secrets'>,
  { id, userId, value }: OddEmail,
): Promise<'CHANGED' | 'UNCHANGED' | 'KEPT'> {
  const normal = normalizeEmail(value);
  if (normal === undefined) return 'KEPT';
  if (normal === value) return 'UNCHANGED';
  try {
    return await db.$transaction(async (tx) => {
      await lockUsers(tx, [userId]);
      // The user may have changed it, or another process at the same time.
      if ((await tx.identity.count({ where: { id, userId, value } })) === 0) return 'UNCHANGED';
      await renameIdentity(tx, secrets, { id, value: normal });
      return 'CHANGED';
    });
  } catch (error) {
    if (violatedConstraint(error) === 'identities_type_value_key') return 'KEPT';
    throw error;
  }
}
