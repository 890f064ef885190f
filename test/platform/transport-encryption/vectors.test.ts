import { readFileSync } from 'node:fs';
import { CompactEncrypt, type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openUnder } from '../../../examples/encrypted-client/seal.ts';
import type { RunningServices } from '../../../src/platform/services.ts';
import { openEnvelope } from '../../../src/platform/transport-encryption/open-envelope.ts';
import { createSocketSeal } from '../../../src/platform/transport-encryption/socket-seal.ts';
import { createTestServices } from '../../support/services.ts';

interface Vector {
  /** For a message to the transport key. */
  ephemeralKey: JWK;
  /** For a message under a shared key. */
  key: string;
  iv: string;
  header: string;
  text: string;
  jwe: string;
}

type Vectors = Record<'request' | 'answer' | 'start' | 'acknowledgement' | 'subscription', Vector> & {
  transportKey: JWK & { kid: string };
};

const page = readFileSync(new URL('../../../docs/transport-encryption.md', import.meta.url), 'utf8');
const vectors = JSON.parse(/```json\n(.*)```/s.exec(page)?.[1] ?? '') as Vectors;
const { transportKey, request, answer, start, acknowledgement, subscription } = vectors;

const base64url = (text: string) => new Uint8Array(Buffer.from(text, 'base64url'));

/** Encrypts deterministically, with the ephemeral key and IV of the vector. */
async function encrypted({ ephemeralKey, key, iv, header, text }: Vector): Promise<string> {
  const { epk, ...rest } = JSON.parse(header);
  const encryption = new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader(rest)
    .setInitializationVector(base64url(iv));
  if (!epk) return encryption.encrypt(base64url(key));
  const { d, ...publicKey } = transportKey;
  const ephemeral = (await importJWK(ephemeralKey, 'ECDH-ES', { extractable: true })) as CryptoKey;
  return encryption
    .setKeyManagementParameters({ epk: ephemeral })
    .encrypt(await importJWK(publicKey, 'ECDH-ES'));
}

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services?.close());

/** Decrypts as the server does, at the time of the vector. */
async function envelope({ jwe, header }: Vector) {
  const { iat, jti, purpose } = JSON.parse(header);
  const opened = await openEnvelope(services, { jwe, purpose }, async () => ({
    now: new Date(iat * 1_000),
    isEmpty: false,
    find: async (kid) =>
      kid === transportKey.kid ? ((await importJWK(transportKey, 'ECDH-ES')) as CryptoKey) : undefined,
  }));
  expect(opened.id).toBe(jti);
  return opened;
}

describe('test vectors in docs/transport-encryption.md', () => {
  it.for([
    ['request', request],
    ['answer', answer],
    ['start', start],
    ['acknowledgement', acknowledgement],
    ['subscription', subscription],
  ] as const)('%s: the JWE is reproducible from its inputs', async ([, vector]) => {
    expect(Buffer.from(vector.jwe.split('.')[0] ?? '', 'base64url').toString()).toBe(vector.header);
    expect(await encrypted(vector)).toBe(vector.jwe);
  });

  it('have the thumbprint of the key as kid', async () => {
    expect(await calculateJwkThumbprint(transportKey)).toBe(transportKey.kid);
  });

  it('decrypt: the request on the server, and its response on a client', async () => {
    const { accessToken, replyKey, message, id } = await envelope(request);

    const { query, variables } = JSON.parse(request.text);
    expect({ accessToken, message }).toEqual({
      accessToken: 'an.access.token',
      message: { query, variables },
    });
    expect(Buffer.from(replyKey).toString('base64url')).toBe(answer.key);
    expect(await openUnder(replyKey, { jti: id }, answer.jwe)).toBe(answer.text);
  });

  it('decrypt: connection_init, and the first message in each direction', async () => {
    const { replyKey } = await envelope(start);

    expect(await openUnder(replyKey, { direction: 'server', counter: 0 }, acknowledgement.jwe)).toBe(
      acknowledgement.text,
    );
    expect(await createSocketSeal(replyKey).open(subscription.jwe)).toBe(subscription.text);
  });
});
