import { describe, expect, it } from 'vitest';
import { WebAddress, WebAddressOrPath } from '../../src/platform/text.ts';

const isAddress = (text: string) => WebAddress.safeParse(text).success;
const isAddressOrPath = (text: string) => WebAddressOrPath.safeParse(text).success;

const ADDRESSES = [
  'https://example.test',
  'http://example.test/',
  'HTTPS://EXAMPLE.TEST/Offer',
  'https://example.test:8443/a/b?x=1&y=2#part',
  'https://example.test?x=@home',
  'https://example.test/@user/a:b',
  'https://192.0.2.1/x',
  'https://[2001:db8::1]:8443/x',
  'https://bücher.test/müsli?straße=ä',
  'https://example.test/%5c%2f%00',
];

const PATHS = ['/', '/logo.png', '/a/../logo.png', '/a//b', '/logo.png?v=2#x', '/@user', '/müsli.png'];

const REFUSED = [
  '',
  ' ',
  'logo.png',
  './logo.png',
  '../logo.png',
  'example.test',
  // Relative to the scheme: another host.
  '//evil.test',
  '///evil.test',
  '/\\evil.test',
  '\\\\evil.test',
  '\\/evil.test',
  '/\\/evil.test',
  '/.//evil.test',
  '/..//evil.test',
  '/a/..//evil.test',
  '/%2e//evil.test',
  // Characters that URL parsers remove, so that `//` appears.
  '/\t/evil.test',
  '/\n/evil.test',
  '/\r/evil.test',
  '\t//evil.test',
  '/logo.png\n',
  '/logo\0.png',
  '/lo go.png',
  '/lo\u00a0go.png',
  '/lo\u200bgo.png',
  '/\u202egnp.ogol',
  '/lo\u2028go.png',
  '/lo\ufeffgo.png',
  '/lo\ud800go.png',
  // Other schemes.
  'javascript:alert(1)',
  'JavaScript:alert(1)',
  ' javascript:alert(1)',
  'java\tscript:alert(1)',
  'javascript://example.test/%0aalert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'blob:https://example.test/1',
  'file:///etc/passwd',
  'ftp://example.test',
  'ws://example.test',
  'intent://example.test#Intent;end',
  'view-source:https://example.test',
  // A user name that looks like the host, and hosts that parsers repair.
  'https://example.test@evil.test/',
  'https://example.test:x@evil.test/',
  'https://@evil.test/',
  'https://example.test\\@evil.test/',
  'https://evil.test\\.example.test/',
  'https://example.test/\\evil.test',
  'https:\\\\evil.test',
  'https:/evil.test',
  'https:evil.test',
  'https:///evil.test',
  'https://',
  'https://?x',
  'https://#x',
  'http://:80',
  'https://example.test:99999/',
  'https://exa mple.test/',
  'https://example.test/a b',
  'https://example.test/\u0007',
  'https://\u200bexample.test/',
  'https://[::1/',
  ' https://example.test',
  'https://example.test ',
];

describe('WebAddress', () => {
  it.each(ADDRESSES)('accepts %j', (text) => expect(isAddress(text)).toBe(true));

  it.each([...PATHS, ...REFUSED])('refuses %j', (text) => expect(isAddress(text)).toBe(false));

  it('accepts at most 2,048 characters', () => {
    const address = 'https://example.test/'.padEnd(2_048, 'x');

    expect([isAddress(address), isAddress(`${address}x`)]).toEqual([true, false]);
  });
});

/** In Node 20 `URL.canParse` refuses these once its caller is compiled, after about 5,000 calls. */
it('accepts letters outside ASCII however often it is called', () => {
  const refused = Array.from({ length: 50_000 }, () => isAddress('https://bücher.test/')).indexOf(false);

  expect(refused).toBe(-1);
});

describe('WebAddressOrPath', () => {
  it.each([...ADDRESSES, ...PATHS])('accepts %j', (text) => expect(isAddressOrPath(text)).toBe(true));

  it.each(REFUSED)('refuses %j', (text) => expect(isAddressOrPath(text)).toBe(false));

  it('accepts at most 2,048 characters', () => {
    const path = '/'.padEnd(2_048, 'x');

    expect([isAddressOrPath(path), isAddressOrPath(`${path}x`)]).toEqual([true, false]);
  });
});

describe('a page', () => {
  it.each(PATHS)('stays on its host with the path %j, also if it is resolved again', (path) => {
    const { origin, pathname } = new URL(path, 'https://shop.test/account/');

    expect(origin).toBe('https://shop.test');
    expect(new URL(pathname, 'https://shop.test').origin).toBe('https://shop.test');
  });
});
