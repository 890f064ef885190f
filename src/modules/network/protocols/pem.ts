import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

/** Programs write text before, between and after the blocks. */
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\s[^-]+-----END \1-----/g;

const blocksOf = (text: string) =>
  [...unescaped(text).matchAll(BLOCK)].map(([block, label = '']) => ({
    label,
    block: `${block.replace(/\r\n?/g, '\n')}\n`,
  }));

/** Environment variables and JSON files often have `\n` for line breaks. */
const unescaped = (text: string) => (text.includes('\n') ? text : text.replaceAll('\\n', '\n'));

/**
 * Returns the certificates of a chain in PEM, without what OpenSSL and others write around them.
 *
 * @returns undefined without a certificate, or if one cannot be read
 */
export function normalizeCertificates(text: string): string | undefined {
  const blocks = blocksOf(text).filter(({ label }) => label === 'CERTIFICATE');
  if (blocks.length === 0 || !blocks.every(({ block }) => readCertificate(block))) return undefined;
  return blocks.map(({ block }) => block).join('');
}

/**
 * Returns the first private key in PEM, without the parameters that OpenSSL writes before it.
 *
 * @returns undefined without a key, or if it cannot be read, as one that is encrypted
 */
export function normalizePrivateKey(text: string): string | undefined {
  const key = blocksOf(text).find(({ label }) => label.endsWith('PRIVATE KEY'));
  return key && readPrivateKey(key.block) ? key.block : undefined;
}

/** Whether the first certificate of a chain belongs to a private key. Both are in PEM. */
export function isPair(certificates: string, privateKey: string): boolean {
  const [certificate, key] = [readCertificate(certificates), readPrivateKey(privateKey)];
  return certificate !== undefined && key !== undefined && certificate.checkPrivateKey(key);
}

function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function readPrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
