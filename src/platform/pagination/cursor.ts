import { PlatformError } from '../errors.ts';
import { equalSecrets, type Secrets } from '../keys/secrets.ts';

/** What a list can be sorted by. */
export type Key = Date | number | string | null;

/** Where an entry stands in a list. */
export interface Cursor {
  id: string;
  /** What stands in the column that the list is sorted by; absent when it goes by id alone. */
  key?: Key;
}

const ID_BYTES = 16;
const TAG_BYTES = 8;

/**
 * Cursors of one list, sorted in one way: the id of an entry, a keyed tag, and the key that the list is sorted by, as
 * base64url. The tag is over all of it and the list. While SECRET_KEY changes, cursors under the previous one go on.
 *
 * @param list its name, and how it is sorted
 */
export function listCursors(secrets: Secrets, list: string) {
  const tagged = (id: Uint8Array, key: Uint8Array) => Buffer.concat([Buffer.from(`${list}\0`), id, key]);
  return {
    write({ id, key }: Cursor): string {
      const idBytes = Buffer.from(id.replaceAll('-', ''), 'hex');
      const keyBytes = key === undefined ? Buffer.alloc(0) : Buffer.from(packKey(key));
      const tag = secrets.mac('cursor', tagged(idBytes, keyBytes)).subarray(0, TAG_BYTES);
      return Buffer.concat([idBytes, tag, keyBytes]).toString('base64url');
    },
    /** @throws PlatformError BAD_USER_INPUT naming the argument */
    read(cursor: string, field: string): Cursor {
      const bytes = Buffer.from(cursor, 'base64url');
      const id = bytes.subarray(0, ID_BYTES);
      const tag = bytes.subarray(ID_BYTES, ID_BYTES + TAG_BYTES);
      const key = bytes.subarray(ID_BYTES + TAG_BYTES);
      const tags = secrets.macs('cursor', tagged(id, key)).map((mac) => mac.subarray(0, TAG_BYTES));
      if (!tags.some((valid) => equalSecrets(valid, tag))) {
        throw new PlatformError('BAD_USER_INPUT', {
          field,
          message: `\`${field}\` is not a cursor of this list, sorted like this.`,
        });
      }
      return { id: hyphenated(id), ...(key.length > 0 && { key: unpackKey(key.toString()) }) };
    },
  };
}

function packKey(key: Key): string {
  return JSON.stringify(key instanceof Date ? { at: key.getTime() } : key);
}

/** Only what we have packed ourselves comes here. */
function unpackKey(packed: string): Key {
  const key = JSON.parse(packed) as number | string | null | { at: number };
  return typeof key === 'object' && key !== null ? new Date(key.at) : key;
}

function hyphenated(id: Buffer): string {
  return id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
