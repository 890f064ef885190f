import { randomBytes, randomUUID } from 'node:crypto';
import {
  CompactEncrypt,
  type CompactJWEHeaderParameters,
  type CryptoKey,
  FlattenedEncrypt,
  generateKeyPair,
} from 'jose';
import type { TransportKey } from '../../examples/encrypted-client/transport-key.ts';

/** What a message is made of, each part of which can be spoilt. */
export interface Ingredients {
  header: CompactJWEHeaderParameters;
  contents: Record<string, unknown>;
  key: CryptoKey | Uint8Array;
}

/** A message that will be taken: what forgeries are made from. */
export function goodMessage({ kid, key }: TransportKey, request: object): Ingredients {
  const iat = Math.floor(Date.now() / 1_000);
  return {
    header: { alg: 'ECDH-ES', enc: 'A256GCM', kid, iat, jti: randomUUID() },
    contents: { ...request, replyKey: randomBytes(32).toString('base64url') },
    key,
  };
}

/** The message as it goes over the wire. */
export function encrypt({ header, contents, key }: Ingredients): Promise<string> {
  return encryptText({ header, key }, JSON.stringify(contents));
}

function encryptText({ header, key }: Pick<Ingredients, 'header' | 'key'>, text: string): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(text)).setProtectedHeader(header).encrypt(key);
}

/** Makes something of a good message that must be refused. */
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

/** The member is left out where the value is undefined. */
const without = (object: object) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

const MINUTE = 60;
const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds;

/** Everything that nobody may get past the seal with, by its name. */
export const FORGERIES: Readonly<Record<string, Forge>> = {
  'a bit flipped in the header': flipping(0),
  'something where no key belongs': async (good) => spliced(await encrypt(good), 1, 'AAAA'),
  'a bit flipped in the initialisation vector': flipping(2),
  'a bit flipped in the ciphertext': flipping(3),
  'a bit flipped in the tag': flipping(4),
  'another way to write the same tag': async (good) => rewritten(await encrypt(good)),
  'four parts': async (good) => (await encrypt(good)).split('.').slice(1).join('.'),
  'six parts': async (good) => `${await encrypt(good)}.AAAA`,
  'no message at all': async () => 'no message at all',
  'the same as JSON': async ({ header, contents, key }) =>
    JSON.stringify(
      await new FlattenedEncrypt(new TextEncoder().encode(JSON.stringify(contents)))
        .setProtectedHeader(header)
        .encrypt(key),
    ),
  compressed: withHeader({ zip: 'DEF' }),
  'a password for a key': withKey({ alg: 'PBES2-HS256+A128KW' }, () => new TextEncoder().encode('password')),
  'an RSA key': withKey({ alg: 'RSA-OAEP-256' }, () => publicKeyOf('RSA-OAEP-256')),
  'a key that wraps a key': withHeader({ alg: 'ECDH-ES+A256KW' }),
  'a key that both should have': withKey({ alg: 'dir' }, () => new Uint8Array(randomBytes(32))),
  'a shorter key': withHeader({ enc: 'A128GCM' }),
  'another cipher': withHeader({ enc: 'A256CBC-HS512' }),
  'something critical': async (good) => {
    const header = { ...good.header, crit: ['b64'], b64: true };
    const [, ...parts] = (await encrypt(good)).split('.');
    return [Buffer.from(JSON.stringify(header)).toString('base64url'), ...parts].join('.');
  },
  'a key of somebody else’s under the id of ours': withKey({}, () => publicKeyOf('ECDH-ES', 'P-256')),
  'a key on another curve': withKey({}, () => publicKeyOf('ECDH-ES', 'P-384')),
  'an unknown key': withHeader({ kid: 'unknown' }),
  'no name of a key': withHeader({ kid: undefined }),
  'ten minutes old': withHeader({ iat: secondsFromNow(-10 * MINUTE) }),
  'ten minutes early': withHeader({ iat: secondsFromNow(10 * MINUTE) }),
  'no time': withHeader({ iat: undefined }),
  'a time in words': withHeader({ iat: 'now' }),
  'no id': withHeader({ jti: undefined }),
  'an empty id': withHeader({ jti: '' }),
  'a number for an id': withHeader({ jti: 7 }),
  'no key for the answer': withContents({ replyKey: undefined }),
  'a short key for the answer': withContents({ replyKey: randomBytes(16).toString('base64url') }),
  'a key for the answer in hexadecimal': withContents({ replyKey: randomBytes(32).toString('hex') }),
  'a token that is no text': withContents({ accessToken: { toString: 'Bearer' } }),
  'a prototype': ({ contents, ...rest }) =>
    encryptText(rest, JSON.stringify(contents).replace('{', '{"__proto__":{"isAdmin":true},')),
  'a list inside': ({ contents, ...rest }) => encryptText(rest, JSON.stringify([contents])),
  'no JSON inside': (good) => encryptText(good, '{'),
  'more than 64 KiB inside': withContents({ padding: 'x'.repeat(64 * 1024) }),
  'more than 96 KiB': withContents({ padding: 'x'.repeat(80 * 1024) }),
};

/** Flips one bit of what a part stands for. */
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

/** The last character of a tag has four bits that stand for nothing. */
function rewritten(jwe: string): string {
  const last = ALPHABET.indexOf(jwe.slice(-1));
  return jwe.slice(0, -1) + ALPHABET[last ^ 1];
}
