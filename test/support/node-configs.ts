import { generateKeyPairSync } from 'node:crypto';
import type { Protocol } from '../../src/generated/prisma/client.ts';
import { required } from '../../src/platform/required.ts';

/** A Reality key pair, in base64url. */
export function realityKeys() {
  const { x, d } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  return { publicKey: required(x, 'public key'), privateKey: required(d, 'private key') };
}

/** A self-signed certificate of a.example for 100 years, and its key. */
export const PEM = {
  certificate: `${[
    '-----BEGIN CERTIFICATE-----',
    'MIIBlDCCATugAwIBAgIUY8IprvQeXT/Fc8zLrdg45XJaoEkwCgYIKoZIzj0EAwIw',
    'FDESMBAGA1UEAwwJYS5leGFtcGxlMCAXDTI2MTEyNjE1MzcwOFoYDzIxMjYxMTAy',
    'MTUzNzA4WjAUMRIwEAYDVQQDDAlhLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjO',
    'PQMBBwNCAAQI1Zy6VFUDPQoNc6IRHoJoZUc5yGAQ6Lev/FbGs7Xu0FoVfC2URiyy',
    'YqsEsnkeSpPl3EVSJHvmDqmzb7IgE8UVo2kwZzAdBgNVHQ4EFgQUtJvx9Pb0XI1x',
    '9Nyi8krQodfCgvMwHwYDVR0jBBgwFoAUtJvx9Pb0XI1x9Nyi8krQodfCgvMwDwYD',
    'VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglhLmV4YW1wbGUwCgYIKoZIzj0EAwID',
    'RwAwRAIgK28+u4M9flgoWY6sm21K5jpDZlXDOj5C2pN6AyznwYgCIFxfg5kS0hVY',
    'gUkPo8aXyK0PD7NgtTdoIZc5zkzcMyaS',
    '-----END CERTIFICATE-----',
  ].join('\n')}\n`,
  privateKey: `${[
    '-----BEGIN PRIVATE KEY-----',
    'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgct0A8m0aqALVgYoF',
    'eyitKJwraTNO4EAm7+Gip5CAfdehRANCAAQI1Zy6VFUDPQoNc6IRHoJoZUc5yGAQ',
    '6Lev/FbGs7Xu0FoVfC2URiyyYqsEsnkeSpPl3EVSJHvmDqmzb7IgE8UV',
    '-----END PRIVATE KEY-----',
  ].join('\n')}\n`,
};

/** A marker that tests search for where secrets must not appear: a line of the key. */
export const CANARY = required(PEM.privateKey.split('\n')[2], 'a line of the key');

const { publicKey, privateKey } = realityKeys();
const REALITY = { security: 'reality', serverName: 'www.example.com', publicKey, shortId: '0123abcd' };

interface Example {
  name: string;
  protocol: Protocol;
  clientConfig: Record<string, unknown>;
  serverConfig?: Record<string, unknown> | null;
}

/** Valid configs of each protocol. */
export const GOOD: Example[] = [
  {
    name: 'Shadowsocks',
    protocol: 'SHADOWSOCKS',
    clientConfig: { method: 'aes-256-gcm' },
    serverConfig: { listen: '::' },
  },
  {
    name: 'Shadowsocks 2022',
    protocol: 'SHADOWSOCKS',
    clientConfig: { method: '2022-blake3-aes-128-gcm', serverKey: Buffer.alloc(16, 7).toString('base64') },
  },
  { name: 'VMess', protocol: 'VMESS', clientConfig: { security: 'auto' } },
  {
    name: 'VMess over WebSocket and TLS',
    protocol: 'VMESS',
    clientConfig: {
      ...{ security: 'zero', tls: true, serverName: 'a.example', alpn: ['http/1.1'] },
      ...{ network: 'ws', path: '/in?ed=2048', host: 'cdn.example' },
    },
    serverConfig: PEM,
  },
  { name: 'VLESS', protocol: 'VLESS', clientConfig: { security: 'none', flow: '' } },
  {
    name: 'VLESS over TLS',
    protocol: 'VLESS',
    clientConfig: {
      security: 'tls',
      flow: 'xtls-rprx-vision',
      serverName: 'a.example',
      fingerprint: 'chrome',
    },
    serverConfig: PEM,
  },
  {
    name: 'VLESS over gRPC',
    protocol: 'VLESS',
    clientConfig: { security: 'tls', network: 'grpc', serviceName: 'in' },
    serverConfig: null,
  },
  {
    name: 'VLESS over XHTTP',
    protocol: 'VLESS',
    clientConfig: {
      ...{ security: 'tls', network: 'xhttp', path: '/in', host: 'cdn.example', mode: 'stream-up' },
      ...{ serverName: 'a.example', alpn: ['h3'] },
    },
    serverConfig: PEM,
  },
  {
    name: 'VLESS with Reality over XHTTP',
    protocol: 'VLESS',
    clientConfig: { ...REALITY, network: 'xhttp', path: '/in' },
    serverConfig: { privateKey, shortIds: ['0123abcd'], destination: 'www.example.com:443' },
  },
  {
    name: 'VMess over XHTTP',
    protocol: 'VMESS',
    clientConfig: { security: 'auto', network: 'xhttp', path: '/' },
  },
  {
    name: 'Trojan over XHTTP',
    protocol: 'TROJAN',
    clientConfig: { network: 'xhttp', path: '/in', mode: 'packet-up' },
    serverConfig: PEM,
  },
  {
    name: 'VLESS with Reality',
    protocol: 'VLESS',
    clientConfig: { ...REALITY, flow: 'xtls-rprx-vision' },
    serverConfig: { privateKey, shortIds: ['0123abcd', ''], destination: 'www.example.com:443' },
  },
  {
    name: 'Trojan',
    protocol: 'TROJAN',
    clientConfig: { serverName: 'a.example', alpn: ['h2', 'http/1.1'] },
    serverConfig: { ...PEM, listen: '192.0.2.1' },
  },
  {
    name: 'Hysteria2',
    protocol: 'HYSTERIA2',
    clientConfig: {
      ...{ serverName: 'a.example', obfs: 'salamander', obfsPassword: 'for all of them' },
      ...{ ports: '443,20000-30000', upMbps: 100, downMbps: 500, certificateSha256: 'ab'.repeat(32) },
    },
    serverConfig: { ...PEM, masquerade: 'https://www.example.com' },
  },
  {
    name: 'TUIC',
    protocol: 'TUIC',
    clientConfig: { serverName: 'a.example', alpn: ['h3'], congestionControl: 'cubic', udpRelayMode: 'quic' },
    serverConfig: PEM,
  },
  {
    name: 'AnyTLS',
    protocol: 'ANYTLS',
    clientConfig: { serverName: 'a.example', fingerprint: 'chrome' },
    serverConfig: { ...PEM, paddingScheme: ['stop=8', '1=100-400'] },
  },
];

export const good = (name: string): Example => {
  const found = GOOD.find((example) => example.name === name);
  if (!found) throw new Error(`no example named ${name}`);
  return found;
};

type Parts = Partial<Pick<Example, 'clientConfig' | 'serverConfig'>>;

/** Changes that make an example invalid, and the key that is reported. */
export const BAD: [example: string, changes: Parts, field: string][] = [
  ['Shadowsocks', { clientConfig: { method: 'rc4-md5' } }, 'clientConfig.method'],
  ['Shadowsocks', { clientConfig: { method: undefined } }, 'clientConfig.method'],
  ['Shadowsocks', { clientConfig: { serverKey: 'AAAA' } }, 'clientConfig.serverKey'],
  ['Shadowsocks', { clientConfig: { password: 'x' } }, 'clientConfig.password'],
  ['Shadowsocks', { serverConfig: { privateKey: 'x' } }, 'serverConfig.privateKey'],
  ['Shadowsocks', { serverConfig: { listen: 'not a host' } }, 'serverConfig.listen'],
  ['Shadowsocks 2022', { clientConfig: { serverKey: null } }, 'clientConfig.serverKey'],
  [
    'Shadowsocks 2022',
    { clientConfig: { serverKey: Buffer.alloc(32).toString('base64') } },
    'clientConfig.serverKey',
  ],
  ['VMess', { clientConfig: { security: 'tls' } }, 'clientConfig.security'],
  ['VMess', { clientConfig: { network: 'kcp' } }, 'clientConfig.network'],
  ['VMess', { clientConfig: { network: 'mkcp' } }, 'clientConfig.network'],
  ['VMess', { clientConfig: { network: 'h2' } }, 'clientConfig.network'],
  ['VMess', { clientConfig: { mode: 'auto' } }, 'clientConfig.mode'],
  ['VLESS over XHTTP', { clientConfig: { mode: 'fast' } }, 'clientConfig.mode'],
  ['VLESS over XHTTP', { clientConfig: { flow: 'xtls-rprx-vision' } }, 'clientConfig.flow'],
  ['VLESS over XHTTP', { clientConfig: { serviceName: 'in' } }, 'clientConfig.serviceName'],
  ['VMess', { clientConfig: { path: '/in' } }, 'clientConfig.path'],
  ['VMess', { clientConfig: { host: 'cdn.example' } }, 'clientConfig.host'],
  ['VMess', { clientConfig: { serverName: 'a.example' } }, 'clientConfig.serverName'],
  ['VMess', { clientConfig: { privateKey: 'x' } }, 'clientConfig.privateKey'],
  ['VMess over WebSocket and TLS', { clientConfig: { path: 'in' } }, 'clientConfig.path'],
  ['VMess over WebSocket and TLS', { clientConfig: { serviceName: 'in' } }, 'clientConfig.serviceName'],
  ['VMess over WebSocket and TLS', { clientConfig: { tls: 'yes' } }, 'clientConfig.tls'],
  ['VMess over WebSocket and TLS', { serverConfig: { privateKey: null } }, 'serverConfig.privateKey'],
  ['VMess over WebSocket and TLS', { serverConfig: { certificate: 'x' } }, 'serverConfig.certificate'],
  ['VLESS', { clientConfig: { security: 'xtls' } }, 'clientConfig.security'],
  ['VLESS', { clientConfig: { flow: 'xtls-rprx-vision' } }, 'clientConfig.flow'],
  ['VLESS', { clientConfig: { publicKey } }, 'clientConfig.publicKey'],
  ['VLESS', { clientConfig: { shortId: 'ab' } }, 'clientConfig.shortId'],
  ['VLESS over TLS', { clientConfig: { fingerprint: 'netscape' } }, 'clientConfig.fingerprint'],
  ['VLESS over TLS', { clientConfig: { privateKey } }, 'clientConfig.privateKey'],
  ['VLESS over TLS', { serverConfig: { privateKey } }, 'serverConfig.privateKey'],
  ['VLESS over TLS', { serverConfig: { shortIds: ['ab'] } }, 'serverConfig.shortIds'],
  ['VLESS over TLS', { serverConfig: { destination: 'www.example.com:443' } }, 'serverConfig.destination'],
  ['VLESS over gRPC', { clientConfig: { serviceName: null } }, 'clientConfig.serviceName'],
  ['VLESS over gRPC', { clientConfig: { flow: 'xtls-rprx-vision' } }, 'clientConfig.flow'],
  ['VLESS with Reality', { clientConfig: { publicKey: null } }, 'clientConfig.publicKey'],
  ['VLESS with Reality', { clientConfig: { publicKey: 'short' } }, 'clientConfig.publicKey'],
  ['VLESS with Reality', { clientConfig: { publicKey: realityKeys().publicKey } }, 'serverConfig.privateKey'],
  ['VLESS with Reality', { clientConfig: { shortId: 'abc' } }, 'clientConfig.shortId'],
  ['VLESS with Reality', { clientConfig: { shortId: null } }, 'clientConfig.shortId'],
  ['VLESS with Reality', { clientConfig: { shortId: 'ffff' } }, 'serverConfig.shortIds'],
  ['VLESS with Reality', { clientConfig: { serverName: null } }, 'clientConfig.serverName'],
  ['VLESS with Reality', { clientConfig: { network: 'ws', flow: null } }, 'clientConfig.network'],
  [
    'VLESS with Reality',
    { serverConfig: { privateKey: realityKeys().privateKey } },
    'serverConfig.privateKey',
  ],
  ['VLESS with Reality', { serverConfig: PEM }, 'serverConfig.privateKey'],
  ['VLESS with Reality', { serverConfig: null }, 'serverConfig.privateKey'],
  ['VLESS with Reality', { serverConfig: { destination: 'www.example.com' } }, 'serverConfig.destination'],
  ['Trojan', { clientConfig: { serverName: 'not a host' } }, 'clientConfig.serverName'],
  ['Trojan', { clientConfig: { alpn: ['spdy'] } }, 'clientConfig.alpn.0'],
  ['Trojan', { clientConfig: { password: 'x' } }, 'clientConfig.password'],
  ['Trojan', { serverConfig: { certificate: null } }, 'serverConfig.privateKey'],
  ['TUIC', { clientConfig: { congestionControl: 'reno' } }, 'clientConfig.congestionControl'],
  ['TUIC', { clientConfig: { network: 'ws' } }, 'clientConfig.network'],
  ['AnyTLS', { clientConfig: { fingerprint: 'netscape' } }, 'clientConfig.fingerprint'],
  ['AnyTLS', { serverConfig: { paddingScheme: ['a b'] } }, 'serverConfig.paddingScheme.0'],
  ['Hysteria2', { clientConfig: { obfs: 'rot13' } }, 'clientConfig.obfs'],
  ['Hysteria2', { clientConfig: { obfsPassword: null } }, 'clientConfig.obfsPassword'],
  ['Hysteria2', { clientConfig: { obfs: null } }, 'clientConfig.obfsPassword'],
  ['Hysteria2', { clientConfig: { ports: '20000-70000' } }, 'clientConfig.ports'],
  ['Hysteria2', { clientConfig: { upMbps: 0 } }, 'clientConfig.upMbps'],
  ['Hysteria2', { clientConfig: { certificateSha256: 'ab' } }, 'clientConfig.certificateSha256'],
  ['Hysteria2', { serverConfig: { masquerade: 'file:///etc/passwd' } }, 'serverConfig.masquerade'],
];

/** An example with some keys changed; null removes the whole part. */
export function changed(name: string, changes: Parts): Example {
  const example = good(name);
  return {
    ...example,
    clientConfig: { ...example.clientConfig, ...changes.clientConfig },
    serverConfig: changes.serverConfig === null ? null : { ...example.serverConfig, ...changes.serverConfig },
  };
}
