import { randomBytes, randomUUID } from 'node:crypto';
import {
  CompactEncrypt,
  type CompactJWEHeaderParameters,
  type CryptoKey,
  FlattenedEncrypt,
  generateKeyPair,
} from 'jose';
import type { TransportKey } from '../../examples/encrypted-client/transport-key.ts';

/** The inputs of an encrypted message, each of which a forgery can change. */
export interface Ingredients {
  header: CompactJWEHeaderParameters;
  contents: Record<string, unknown>;
  key: CryptoKey | Uint8Array;
}

/** Creates a valid message, on which forgeries are based. */
export function goodMessage({ kid, key }: TransportKey, request: object): Ingredients {
  const iat = Math.floor(Date.now() / 1_000);
  return {
    header: { alg: 'ECDH-ES', enc: 'A256GCM', kid, iat, jti: randomUUID() },
    contents: { ...request, replyKey: randomBytes(32).toString('base64url') },
    key,
  };
}

/** Encrypts the message to a compact JWE. */
export function encrypt({ header, contents, key }: Ingredients): Promise<string> {
  return encryptText({ header, key }, JSON.stringify(contents));
}

function encryptText({ header, key }: Pick<Ingredients, 'header' | 'key'>, text: string): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(text)).setProtectedHeader(header).encrypt(key);
}

/** Derives an invalid message from a valid one. */
export type Forge = (good: Ingredients) => Promise<string>;

const withHeader =
  (change: Partial<Record<keyof CompactJWEHeaderParameters, unknown>>): Forge =>
  ({ header, ...rest }) =>
    encrypt({ ...rest, header: without({ ...header, ...change }) as CompactJWEHeaderParameters });

const withContents =
  (change: Record<string, unknown>): Forge =>
  ({ contents, ...rest }) =>
    encrypt({ ...rest, contents: { ...contents, ...change } });

const withKey =
  (header: Partial<CompactJWEHeaderParameters>, makeKey: () => Promise<CryptoKey> | Uint8Array): Forge =>
  async (good) =>
    encrypt({ ...good, header: { ...good.header, ...header }, key: await makeKey() });

const publicKeyOf = async (alg: string, crv?: string) =>
  (await generateKeyPair(alg, crv ? { crv } : {})).publicKey;

/** Omits members whose value is undefined. */
const without = (object: object) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

const MINUTE = 60;
const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds;

/** Messages that the server must refuse. */
export const FORGERIES: Readonly<Record<string, Forge>> = {
  'a bit flipped in the header': flipping(0),
  'a non-empty encrypted key': async (good) => spliced(await encrypt(good), 1, 'AAAA'),
  'a bit flipped in the initialisation vector': flipping(2),
  'a bit flipped in the ciphertext': flipping(3),
  'a bit flipped in the tag': flipping(4),
  'a non-canonical encoding of the tag': async (good) => rewritten(await encrypt(good)),
  'four parts': async (good) => (await encrypt(good)).split('.').slice(1).join('.'),
  'six parts': async (good) => `${await encrypt(good)}.AAAA`,
  'arbitrary text': async () => 'arbitrary text',
  'the JSON serialization of the JWE': async ({ header, contents, key }) =>
    JSON.stringify(
      await new FlattenedEncrypt(new TextEncoder().encode(JSON.stringify(contents)))
        .setProtectedHeader(header)
        .encrypt(key),
    ),
  'a compressed plaintext': withHeader({ zip: 'DEF' }),
  'a password instead of a key': withKey({ alg: 'PBES2-HS256+A128KW' }, () =>
    new TextEncoder().encode('password'),
  ),
  'an RSA key': withKey({ alg: 'RSA-OAEP-256' }, () => publicKeyOf('RSA-OAEP-256')),
  'a wrapped key': withHeader({ alg: 'ECDH-ES+A256KW' }),
  'a shared key': withKey({ alg: 'dir' }, () => new Uint8Array(randomBytes(32))),
  'a shorter key': withHeader({ enc: 'A128GCM' }),
  'another cipher': withHeader({ enc: 'A256CBC-HS512' }),
  'a critical header': async (good) => {
    const header = { ...good.header, crit: ['b64'], b64: true };
    const [, ...parts] = (await encrypt(good)).split('.');
    return [Buffer.from(JSON.stringify(header)).toString('base64url'), ...parts].join('.');
  },
  'a foreign key under the id of a valid one': withKey({}, () => publicKeyOf('ECDH-ES', 'P-256')),
  'a key on another curve': withKey({}, () => publicKeyOf('ECDH-ES', 'P-384')),
  'an unknown key': withHeader({ kid: 'unknown' }),
  'no key id': withHeader({ kid: undefined }),
  'a timestamp ten minutes ago': withHeader({ iat: secondsFromNow(-10 * MINUTE) }),
  'a timestamp ten minutes ahead': withHeader({ iat: secondsFromNow(10 * MINUTE) }),
  'no timestamp': withHeader({ iat: undefined }),
  'a timestamp that is a string': withHeader({ iat: 'now' }),
  'no message id': withHeader({ jti: undefined }),
  'an empty message id': withHeader({ jti: '' }),
  'a numeric message id': withHeader({ jti: 7 }),
  'an unknown purpose': withHeader({ purpose: 'both' }),
  'a purpose that is not a string': withHeader({ purpose: ['request', 'socket'] }),
  'no reply key': withContents({ replyKey: undefined }),
  'a short reply key': withContents({ replyKey: randomBytes(16).toString('base64url') }),
  'a hexadecimal reply key': withContents({ replyKey: randomBytes(32).toString('hex') }),
  'a token that is not a string': withContents({ accessToken: { toString: 'Bearer' } }),
  'prototype poisoning': ({ contents, ...rest }) =>
    encryptText(rest, JSON.stringify(contents).replace('{', '{"__proto__":{"isAdmin":true},')),
  'a list as plaintext': ({ contents, ...rest }) => encryptText(rest, JSON.stringify([contents])),
  'invalid JSON as plaintext': (good) => encryptText(good, '{'),
  'a plaintext over 64 KiB': withContents({ padding: 'x'.repeat(64 * 1024) }),
  'a JWE over 96 KiB': withContents({ padding: 'x'.repeat(80 * 1024) }),
};

/** Flips one bit of the decoded part. */
function flipping(part: number): Forge {
  return async (good) => {
    const jwe = await encrypt(good);
    const bytes = Buffer.from(jwe.split('.')[part] ?? '', 'base64url');
    const index = Math.floor(Math.random() * bytes.length);
    bytes.writeUInt8(bytes.readUInt8(index) ^ (1 << Math.floor(Math.random() * 8)), index);
    return spliced(jwe, part, bytes.toString('base64url'));
  };
}

function spliced(jwe: string, part: number, text: string): string {
  return jwe
    .split('.')
    .map((old, index) => (index === part ? text : old))
    .join('.');
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Changes one of the four unused bits in the last character of a tag. */
function rewritten(jwe: string): string {
  const last = ALPHABET.indexOf(jwe.slice(-1));
  return jwe.slice(0, -1) + ALPHABET[last ^ 1];
}
