import { PlatformError } from '../errors.ts';
import { equalSecrets, type Secrets } from '../keys/secrets.ts';

/** Value of a sort column. */
export type Key = Date | number | string | null;

/** Position of an entry in a list. */
export interface Cursor {
  id: string;
  /** Value of the sort column; absent if the list is sorted by id only. */
  key?: Key;
}

const ID_BYTES = 16;
const TAG_BYTES = 8;

/**
 * Opaque cursors of one list in one sort order: the entry's id, a truncated MAC and the sort key,
 * as base64url. The MAC covers the list, the id and the key. Cursors made under the previous
 * SECRET_KEY remain valid.
 *
 * @param list name and sort order of the list
 */
export function listCursors(secrets: Secrets, list: string) {
  const macInput = (id: Uint8Array, key: Uint8Array) => Buffer.concat([Buffer.from(`${list}\0`), id, key]);
  return {
    write({ id, key }: Cursor): string {
      const idBytes = Buffer.from(id.replaceAll('-', ''), 'hex');
      const keyBytes = key === undefined ? Buffer.alloc(0) : Buffer.from(packKey(key));
      const tag = secrets.mac('cursor', macInput(idBytes, keyBytes)).subarray(0, TAG_BYTES);
      return Buffer.concat([idBytes, tag, keyBytes]).toString('base64url');
    },
    /** @throws PlatformError BAD_USER_INPUT naming `field` */
    read(cursor: string, field: string): Cursor {
      const bytes = Buffer.from(cursor, 'base64url');
      const id = bytes.subarray(0, ID_BYTES);
      const tag = bytes.subarray(ID_BYTES, ID_BYTES + TAG_BYTES);
      const key = bytes.subarray(ID_BYTES + TAG_BYTES);
      const tags = secrets.macs('cursor', macInput(id, key)).map((mac) => mac.subarray(0, TAG_BYTES));
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

/** The MAC guarantees that `packKey` made the input. */
function unpackKey(packed: string): Key {
  const key = JSON.parse(packed) as number | string | null | { at: number };
  return typeof key === 'object' && key !== null ? new Date(key.at) : key;
}

function hyphenated(id: Buffer): string {
  return id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
