import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readSettings } from '../../agent/settings.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-settings-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string) {
  const file = join(folder, 'settings.yml');
  writeFileSync(file, text);
  return readSettings(file);
}

it('reads the example once its token is filled in', () => {
  const example = readFileSync('agent/settings.example.yml', 'utf8').replace('srv_…', 'srv_abc');
  expect(read(example)).toMatchObject({
    ...{ url: 'https://panel.example.com', token: 'srv_abc', state: '/var/lib/tessera-agent' },
    core: { program: 'v2ray' },
  });
});

it('takes the token from a file, and paths relative to the settings', () => {
  writeFileSync(join(folder, 'token'), ' srv_secret\n');
  const settings = read('url: http://127.0.0.1:4000\ntokenFile: token\nstate: state\n');
  expect(settings).toMatchObject({ token: 'srv_secret', state: join(folder, 'state') });
});

it.each([
  ['url: http://127.0.0.1\n', /token or tokenFile must be set/],
  ['url: http://127.0.0.1\ntokenFile: missing\n', /missing: ENOENT/],
  ['url: ftp://127.0.0.1\ntoken: srv_a\n', /url: must be an http or https URL/],
  ['url: http://127.0.0.1\ntoken: abc\n', /token: must be the token of a server/],
  ['url: http://127.0.0.1\ntoken: srv_a\nspeed: 1\n', /speed/],
  ['url: http://127.0.0.1\ntoken: srv_a\ncore: {program: squid}\n', /core\.program/],
  ['url: [unclosed\n', /line 2/],
  ['', /url/],
])('names the mistake in %j', (text, message) => {
  expect(() => read(text)).toThrow(message);
});

it('names a file that is missing', () => {
  expect(() => readSettings(join(folder, 'none.yml'))).toThrow(/none\.yml: ENOENT/);
});
