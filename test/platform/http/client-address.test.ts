import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { clientAddress, isFromThisMachine } from '../../../src/platform/http/client-address.ts';

const request = (remoteAddress: string, forwarded?: string) =>
  ({ socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } }) as unknown as IncomingMessage;

describe('clientAddress', () => {
  it.for([
    ['ignores the header without proxies', 0, '203.0.113.1', '192.0.2.1'],
    ['uses the address that the only proxy has seen', 1, '203.0.113.1', '203.0.113.1'],
    ['ignores addresses that a client has forged', 1, '6.6.6.6, 203.0.113.1', '203.0.113.1'],
    ['counts two proxies from the end', 2, '6.6.6.6, 203.0.113.1, 198.51.100.1', '203.0.113.1'],
    ['uses the first address if there are fewer than proxies', 3, '203.0.113.1', '203.0.113.1'],
    ['uses the connection if a proxy sends no address', 1, '', '192.0.2.1'],
  ] as const)('%s', ([, proxies, forwarded, address]) => {
    expect(clientAddress(request('192.0.2.1', forwarded), proxies)).toBe(address);
  });

  it.each([
    ['203.0.113.7:5678', '203.0.113.7'],
    ['[2001:db8::7]:5678', '2001:db8::7'],
    ['unknown', '192.0.2.1'],
    ["1'; DROP TABLE users", '192.0.2.1'],
  ])('parses %j from a trusted proxy as %s', (forwarded, address) => {
    expect(clientAddress(request('192.0.2.1', forwarded), 1)).toBe(address);
  });

  it('normalizes IPv4-mapped addresses', () => {
    expect(clientAddress(request('::ffff:192.0.2.1'), 0)).toBe('192.0.2.1');
    expect(clientAddress(request('2001:db8::1'), 0)).toBe('2001:db8::1');
  });
});

describe('isFromThisMachine', () => {
  it.for([
    ['127.0.0.1', undefined, true],
    ['::1', undefined, true],
    ['::ffff:127.0.0.1', undefined, true],
    ['192.0.2.1', undefined, false],
    ['127.0.0.1', '203.0.113.1', false],
    ['::10', undefined, false],
  ] as const)('returns for %s, forwarded for %s: %s', ([remote, forwarded, expected]) => {
    expect(isFromThisMachine(request(remote, forwarded))).toBe(expected);
  });
});
