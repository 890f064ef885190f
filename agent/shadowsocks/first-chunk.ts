import { createDecipheriv, createHash, hkdfSync } from 'node:crypto';

const INFO = 'ss-subkey';
const TAG_BYTES = 16;
const LENGTH_BYTES = 2;
const NONCE = Buffer.alloc(12);

const METHODS = {
  'aes-128-gcm': { cipher: 'aes-128-gcm', keyBytes: 16 },
  'aes-256-gcm': { cipher: 'aes-256-gcm', keyBytes: 32 },
  'chacha20-ietf-poly1305': { cipher: 'chacha20-poly1305', keyBytes: 32 },
} as const;

/** A method of Shadowsocks whose users the agent can tell apart. */
export type Method = keyof typeof METHODS;

export const isMethod = (name: string): name is Method => name in METHODS;

/** Bytes of a connection that are enough to find its user: the salt and the length of a chunk. */
export const headBytes = (method: Method): number => METHODS[method].keyBytes + LENGTH_BYTES + TAG_BYTES;

/**
 * The key of a password, as Shadowsocks derives it (SIP004: OpenSSL's EVP_BytesToKey with MD5).
 */
export function keyOf(method: Method, password: string): Buffer {
  const { keyBytes } = METHODS[method];
  let key = Buffer.alloc(0);
  let last = Buffer.alloc(0);
  while (key.length < keyBytes) {
    last = createHash('md5').update(last).update(password).digest();
    key = Buffer.concat([key, last]);
  }
  return key.subarray(0, keyBytes);
}

/** Whether a connection that starts with these bytes was encrypted with this key. */
export function opens(method: Method, key: Buffer, head: Buffer): boolean {
  const { cipher, keyBytes } = METHODS[method];
  const subkey = Buffer.from(hkdfSync('sha1', key, head.subarray(0, keyBytes), INFO, keyBytes));
  const decipher = createDecipheriv(cipher as 'aes-256-gcm', subkey, NONCE, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(head.subarray(keyBytes + LENGTH_BYTES, headBytes(method)));
  try {
    decipher.update(head.subarray(keyBytes, keyBytes + LENGTH_BYTES));
    decipher.final();
    return true;
  } catch {
    return false;
  }
}
