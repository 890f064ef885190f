import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { uniqueNames } from '../../../../src/modules/network/links/link-format.ts';
import { LINK_FORMATS } from '../../../../src/modules/network/links/link-formats.ts';
import type { LinkedNode } from '../../../../src/modules/network/links/node-settings.ts';
import { publicConfig } from '../../../../src/modules/network/protocols/node-config.ts';
import { required } from '../../../../src/platform/required.ts';
import { GOOD } from '../../../support/node-configs.ts';
import { v2rayCommand } from '../../../support/v2ray.ts';

const CREDENTIAL = '5783a3e7-e373-51cd-8642-c83782b807c5';

const nodes: LinkedNode[] = GOOD.map(({ name, protocol, clientConfig }, at) => ({
  ...{ nodeId: `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`, name: `${name} ${at}` },
  ...{ address: at % 2 ? '2001:db8::1' : 'node.example', port: 443 + at, credential: CREDENTIAL },
  clientConfig: required(publicConfig(protocol, clientConfig), name),
}));

const render = (name: string, given = nodes) =>
  required(
    LINK_FORMATS.find((format) => format.name === name),
    name,
  ).render({ nodes: given, upload: 1n, download: 2n, trafficLimit: 10n });

const linesOf = (text: string) => Buffer.from(text, 'base64').toString().trim().split('\n');

/** The names of the nodes in a document, read by a parser of its kind. */
const NAMES: Record<string, (text: string) => string[]> = {
  uri: (text) =>
    linesOf(text).map((line) =>
      line.startsWith('vmess://')
        ? JSON.parse(Buffer.from(line.slice(8), 'base64').toString()).ps
        : decodeURIComponent(new URL(line).hash.slice(1)),
    ),
  clash: (text) => parse(text).proxies.map(({ name }: { name: string }) => name),
  'sing-box': (text) =>
    JSON.parse(text).outbounds.flatMap(({ tag, server }: { tag: string; server?: string }) =>
      server ? tag : [],
    ),
  v2ray: (text) =>
    JSON.parse(text).outbounds.flatMap(({ tag, protocol }: Record<string, string>) =>
      protocol === 'freedom' ? [] : (tag ?? ''),
    ),
  sip008: (text) => JSON.parse(text).servers.map(({ remarks }: { remarks: string }) => remarks),
};
NAMES.xray = required(NAMES.v2ray, 'v2ray');
NAMES.surge = (text) =>
  (/\[Proxy\]\n([\s\S]*?)\n\n/.exec(text)?.[1] ?? '').split('\n').map((line) => line.split(' = ')[0] ?? '');

describe.each(LINK_FORMATS.map(({ name }) => name))('the format %s', (format) => {
  it('keeps any name, one entry per node that it can express', () => {
    const ugly = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
      fc.constantFrom(
        'a#b',
        '"quoted"',
        "it's",
        '🇩🇪 Berlin',
        '\u202eabc',
        'a: b',
        '- x',
        '%41',
        '&amp;',
        '{}',
        'ключ',
      ),
    );
    fc.assert(
      fc.property(fc.array(ugly, { minLength: nodes.length, maxLength: nodes.length }), (given) => {
        const clean = given.map((name) => name.replace(/[\p{Cc}\s]+/gu, ' ').trim() || 'Node');
        const names = uniqueNames(clean);
        const { text, leftOut } = render(
          format,
          nodes.map((node, at) => ({ ...node, name: required(names[at], 'name') })),
        );
        const found = required(NAMES[format], format)(text);
        expect(found).toHaveLength(nodes.length - leftOut);
        expect(new Set(found).size).toBe(found.length);
        if (format !== 'surge') for (const name of found) expect(names).toContain(name);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the list of URIs', () => {
  it('expresses every node, with the settings that clients read', () => {
    const { text, leftOut } = render('uri');
    expect(leftOut).toBe(0);
    const uris = linesOf(text);
    const reality = required(
      uris.find((uri) => uri.includes('security=reality')),
      'reality',
    );
    const { protocol, username, hostname, searchParams } = new URL(reality);
    expect([protocol, username, hostname !== '']).toEqual(['vless:', CREDENTIAL, true]);
    expect(Object.fromEntries(searchParams)).toMatchObject({ encryption: 'none', security: 'reality' });
    expect(searchParams.get('pbk')).toMatch(/^[\w-]{43}$/);
    const ss = required(
      uris.find((uri) => uri.startsWith('ss://')),
      'ss',
    );
    expect(Buffer.from(new URL(ss).username, 'base64url').toString()).toBe(`aes-256-gcm:${CREDENTIAL}`);
    const ss2022 = required(
      uris.find((uri) => uri.startsWith('ss://2022-')),
      'ss 2022',
    );
    expect(decodeURIComponent(new URL(ss2022).password)).toBe(
      `${Buffer.alloc(16, 7).toString('base64')}:${Buffer.from(CREDENTIAL.slice(0, 16)).toString('base64')}`,
    );
  });
});

describe('the format v2ray', () => {
  it('is accepted by v2ray itself, one node at a time and together', async () => {
    const [program, ...before] = await v2rayCommand();
    const folder = mkdtempSync(join(tmpdir(), 'tessera-links-'));
    try {
      const checks = [nodes, ...nodes.map((node) => [node])].map(async (given, at) => {
        const file = join(folder, `${at}.json`);
        writeFileSync(file, render('v2ray', given).text);
        await promisify(execFile)(program, [...before, '-test', '-config', file]);
      });
      await Promise.all(checks);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 180_000);

  it('leaves out what V2Fly does not have, and xray has it', () => {
    expect(render('v2ray').leftOut).toBeGreaterThan(render('xray').leftOut);
    expect(render('xray').text).toContain('realitySettings');
  });
});
