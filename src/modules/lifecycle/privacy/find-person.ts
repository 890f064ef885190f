import { PlatformError } from '../../../platform/errors.ts';
import { isId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { normalizeOrderNo } from '../../redemption/order/order-number.ts';

/**
 * Finds an account, also a closed one, by its id, its e-mail address, the identifier of one of its
 * devices, or the number of one of its orders.
 *
 * @returns the id of the account
 * @throws PlatformError NOT_FOUND
 */
export async function findPerson({ db }: Pick<Services, 'db'>, reference: string): Promise<string> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    SELECT id::text FROM users WHERE id = ${isId(reference) ? reference : null}::uuid
    UNION
    SELECT user_id::text FROM identities
    WHERE (type, value) IN (('EMAIL', ${reference.toLowerCase()}), ('DEVICE', ${reference}))
    UNION
    SELECT user_id::text FROM orders WHERE order_no = ${normalizeOrderNo(reference)}`;
  if (rows[0] && rows.length === 1) return rows[0].id;
  throw new PlatformError('NOT_FOUND', {
    message: `There is no account with the id, e-mail address, device identifier or order number "${reference}".`,
  });
}
