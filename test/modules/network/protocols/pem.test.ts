import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkNodeConfig } from '../../../../src/modules/network/protocols/node-config.ts';
import { PEM } from '../../../support/node-configs.ts';

const { certificate, privateKey } = PEM;
/** A certificate of another key. */
const OTHER = `${[
  '-----BEGIN CERTIFICATE-----',
  'MIIBfzCCASWgAwIBAgIUE7v4WpTrQGUfQU2iSK2TwY5giBwwCgYIKoZIzj0EAwIw',
  'FDESMBAGA1UEAwwJYi5leGFtcGxlMCAXDTI2MTEyNjE1MzcwOFoYDzIxMjYxMTAy',
  'MTUzNzA4WjAUMRIwEAYDVQQDDAliLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjO',
  'PQMBBwNCAAROjpEw+raPp6nN7s77fQqGWnqMDIDeioFf0sAfPOfJAVicssh+F0vF',
  'XmYX3VjPnTLnaDkKijY9wQt5NRXXKdqBo1MwUTAdBgNVHQ4EFgQUZ4lSIagonuuJ',
  'QbqRS+i9oiO4ErUwHwYDVR0jBBgwFoAUZ4lSIagonuuJQbqRS+i9oiO4ErUwDwYD',
  'VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA1wboSQuvH8+dkxkPMPp4',
  '2WrOTWCG54tAHZYwJ1a8Cd8CIBiuULNKjEnYsoSyVQXyC7tKqTjSTNhkon11MzFo',
  'CYLc',
  '-----END CERTIFICATE-----',
].join('\n')}\n`;

const trojan = (serverConfig: Record<string, unknown>) =>
  checkNodeConfig({
    protocol: 'TROJAN',
    clientConfig: { serverName: 'a.example' },
    serverConfig: { certificate, privateKey, ...serverConfig },
  }).serverConfig;
const vless = (serverConfig: Record<string, unknown>) =>
  checkNodeConfig({
    protocol: 'VLESS',
    clientConfig: { security: 'tls', serverName: 'a.example' },
    serverConfig: { certificate, privateKey, ...serverConfig },
  }).serverConfig;

/** The same key as `openssl ecparam -genkey` and `openssl ec` write it. */
const SEC1 = createPrivateKey(privateKey).export({ type: 'sec1', format: 'pem' }).toString();
const PARAMETERS = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';

describe.each([
  ['Trojan', trojan],
  ['VLESS', vless],
])('PEM of %s', (_, check) => {
  it.each([
    ['a leading line break', `\n${privateKey}`],
    ['Windows line breaks', privateKey.replaceAll('\n', '\r\n')],
    ['escaped line breaks', privateKey.trim().replaceAll('\n', '\\n')],
    ['text before and after it', `Bag Attributes\n    localKeyID: 01\n${privateKey}# the end`],
    ['no line break at the end', privateKey.trim()],
  ])('accepts a key with %s', (_name, typed) => {
    expect(check({ privateKey: typed })).toMatchObject({ privateKey });
  });

  it('accepts a key after its parameters', () => {
    expect(check({ privateKey: `${PARAMETERS}${SEC1}` })).toMatchObject({ privateKey: SEC1 });
  });

  it.each([
    ['a leading line break', `\n\n${certificate}`],
    ['Windows line breaks', certificate.replaceAll('\n', '\r\n')],
    ['the text of openssl x509', `Certificate:\n    Data:\n        Version: 3 (0x2)\n${certificate}`],
  ])('accepts a certificate with %s', (_name, typed) => {
    expect(check({ certificate: typed })).toMatchObject({ certificate });
  });

  it('accepts a chain that starts with the certificate of the key', () => {
    const chain = `subject=CN=a.example\n${certificate}issuer=CN=b.example\n${OTHER}`;
    expect(check({ certificate: chain })).toMatchObject({ certificate: `${certificate}${OTHER}` });
  });

  it.each([
    ['a certificate of another key', { certificate: OTHER }, 'privateKey'],
    ['a chain in the wrong order', { certificate: `${OTHER}${certificate}` }, 'privateKey'],
    ['no key', { privateKey: null }, 'privateKey'],
    ['an encrypted key', { privateKey: encrypted() }, 'privateKey'],
    ['a public key', { privateKey: publicPem() }, 'privateKey'],
    ['a key that cannot be read', { privateKey: privateKey.replace(/[A-Z]{4}/, '!!!!') }, 'privateKey'],
    ['the certificate as the key', { privateKey: certificate }, 'privateKey'],
    ['the key as the certificate', { certificate: privateKey }, 'certificate'],
    [
      'a certificate that cannot be read',
      { certificate: certificate.replace(/MIIB/, 'AAAA') },
      'certificate',
    ],
    ['a text', { certificate: 'certificate' }, 'certificate'],
  ])('refuses %s, naming the field', (_name, config, field) => {
    expect(() => check(config)).toThrow(
      expect.objectContaining({
        code: 'BAD_USER_INPUT',
        details: expect.objectContaining({ field: `input.serverConfig.${field}` }),
      }),
    );
  });
});

function encrypted(): string {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString();
}

function publicPem(): string {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
}

describe('a fingerprint', () => {
  const DIGITS = 'ab'.repeat(32);
  const PAIRS = DIGITS.match(/../g)?.join(':') ?? '';
  it.each([
    DIGITS.toUpperCase(),
    PAIRS,
    PAIRS.toUpperCase(),
    ` ${PAIRS}\n`,
    `SHA256 Fingerprint=${PAIRS.toUpperCase()}`,
    `sha256 Fingerprint=${PAIRS}`,
  ])('is stored in one form: %j', (certificateSha256) => {
    const config = checkNodeConfig({ protocol: 'HYSTERIA2', clientConfig: { certificateSha256 } });

    expect(config.clientConfig).toMatchObject({ certificateSha256: DIGITS });
  });

  it.each([DIGITS.slice(2), `${DIGITS}ab`, 'g'.repeat(64)])('is refused: %j', (certificateSha256) => {
    expect(() => checkNodeConfig({ protocol: 'HYSTERIA2', clientConfig: { certificateSha256 } })).toThrow(
      '64 hexadecimal digits',
    );
  });
});
