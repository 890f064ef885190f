import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.ts';

const DATABASE_URL = 'postgresql://db.example/tessera';
const SECRET_KEY = 'Zk3v9QmX1rT7pLw0sYb5nHc8dGf2jUa6eRi4oKt';

describe('readConfig', () => {
  it('has a default for every variable outside production', () => {
    expect(readConfig({})).toMatchObject({
      HOST: '127.0.0.1',
      PORT: 4000,
      ROLE: 'all',
      RATE_LIMITS: true,
      TRUST_PROXY: 0,
      INTROSPECTION: true,
      production: false,
    });
  });

  it('treats empty variables as unset', () => {
    expect(readConfig({ PORT: '', DATABASE_URL: '', SECRET_KEY: '' })).toMatchObject({ PORT: 4000 });
  });

  it('lists all invalid variables in one error', () => {
    const env = {
      PORT: '70000',
      DATABASE_URL: 'mysql://x',
      REDIS_URL: 'http://x',
      ROLE: 'boss',
      SECRET_KEY: 'short',
    };

    expect(
      problemsOf(env)
        .map((problem) => problem.split(':')[0])
        .sort(),
    ).toEqual(Object.keys(env).sort());
  });

  it('lists all settings that production requires in one error, together with invalid ones', () => {
    const env = { NODE_ENV: 'production', RATE_LIMITS: 'off', REDEMPTION_LOCK: 'off', PORT: 'http' };

    expect(
      problemsOf(env)
        .map((problem) => problem.split(':')[0])
        .sort(),
    ).toEqual(['DATABASE_URL', 'PORT', 'RATE_LIMITS', 'REDEMPTION_LOCK', 'SECRET_KEY', 'TRUST_PROXY']);
  });

  it.each(['Production', 'PRODUCTION', 'prod', 'production ', ' production', 'staging', 'Test', '0'])(
    'refuses %j as NODE_ENV, together with other invalid variables',
    (NODE_ENV) => {
      const problems = problemsOf({ NODE_ENV, ROLE: 'boss' });

      expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual(['NODE_ENV', 'ROLE']);
      expect(problems.join()).toContain('production');
    },
  );

  it.each([{}, { NODE_ENV: '' }, { NODE_ENV: 'development' }, { NODE_ENV: 'test' }])(
    'starts without the requirements of production with %j',
    (env) => expect(readConfig(env).production).toBe(false),
  );

  it('rejects a placeholder as SECRET_KEY in production', () => {
    const env = { NODE_ENV: 'production', TRUST_PROXY: '0', DATABASE_URL, SECRET_KEY: 'a'.repeat(40) };

    expect(problemsOf(env)).toContain('SECRET_KEY: looks like a placeholder');
  });

  it.each([
    ['SECRET_KEY', 'change-me-change-me-change-me-change-me'],
    ['SECRET_KEY', 'your-secret-key-with-32-or-more-characters'],
    ['SECRET_KEY', 'abababababababababababababababababababab'],
    ['SECRET_KEY_PREVIOUS', 'an example of a secret, which is no secret'],
    ['ADMIN_PASSWORD', 'password1'],
    ['ADMIN_PASSWORD', 'aaaaaaaaaaaa'],
    ['ADMIN_PASSWORD', 'admin123'],
    ['METRICS_TOKEN', 'replace-me-please-now'],
  ])('rejects in production, as %s: %s', (name, value) => {
    const env = { NODE_ENV: 'production', TRUST_PROXY: '0', DATABASE_URL, SECRET_KEY, [name]: value };

    expect(problemsOf(env)).toEqual([`${name}: looks like a placeholder`]);
    expect(problemsOf({ [name]: value })).toEqual([]);
  });

  it('accepts random secrets in production', () => {
    for (let time = 0; time < 200; time++) {
      const [key, password] = [randomBytes(48).toString('base64'), randomBytes(15).toString('base64url')];
      const env = { SECRET_KEY: key, SECRET_KEY_PREVIOUS: SECRET_KEY, ADMIN_PASSWORD: password };

      expect(problemsOf({ ...env, NODE_ENV: 'production', TRUST_PROXY: '0', DATABASE_URL })).toEqual([]);
    }
  });

  it('refuses ?schema= in DATABASE_URL, which would have no effect', () => {
    const [problem] = problemsOf({ DATABASE_URL: `${DATABASE_URL}?sslmode=require&schema=shop` });

    expect(problem).toMatch(/^DATABASE_URL: .*search_path/);
    expect(problemsOf({ DATABASE_URL: `${DATABASE_URL}?sslmode=require` })).toEqual([]);
  });

  it.each([
    'https://app.example/',
    'app.example',
    'https://*.app.example',
    'https://app.example/path',
    'HTTPS://app.example',
    'https://app.example:443',
    'null',
    'https://ok.example,ftp:/x',
  ])('refuses the origin %s, which no browser sends', (origins) => {
    expect(problemsOf({ ALLOWED_ORIGINS: origins })).toEqual([
      expect.stringMatching(/^ALLOWED_ORIGINS: entry \d is not an origin: write scheme, host and port only/),
    ]);
  });

  it('accepts origins as browsers write them, and all', () => {
    for (const origins of [
      '*',
      'https://app.example, http://localhost:5173',
      'https://xn--bcher-kva.example',
    ])
      expect(problemsOf({ ALLOWED_ORIGINS: origins })).toEqual([]);
  });

  it('disables introspection and demo data in production by default', () => {
    const env = {
      NODE_ENV: 'production',
      SECRET_KEY,
      TRUST_PROXY: '1',
      DATABASE_URL: 'postgres://x/y',
      REDIS_URL: 'redis://x',
    };

    expect(readConfig(env)).toMatchObject({ INTROSPECTION: false, SEED: 'none', production: true });
    expect(readConfig({ ...env, INTROSPECTION: 'on' })).toMatchObject({ INTROSPECTION: true });
  });

  it('never includes values in its messages', () => {
    expect(problemsOf({ SECRET_KEY: 'hunter2', ADMIN_PASSWORD: 'tiny' }).join()).not.toMatch(/hunter2|tiny/);
  });
});

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

describe('a variable with _FILE', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const fileWith = (content: string) => {
    const path = join(folder, randomBytes(6).toString('hex'));
    writeFileSync(path, content);
    return path;
  };

  it('is the content of that file, without its last line break', () => {
    const config = readConfig({
      SECRET_KEY_FILE: fileWith(`${SECRET_KEY}\n`),
      ADMIN_PASSWORD_FILE: fileWith(' pass word '),
    });
    expect(config).toMatchObject({ SECRET_KEY, ADMIN_PASSWORD: ' pass word ' });
  });

  it('satisfies the requirements of production', () => {
    const env = {
      ...{ NODE_ENV: 'production', TRUST_PROXY: '0' },
      ...{ SECRET_KEY_FILE: fileWith(SECRET_KEY), DATABASE_URL_FILE: fileWith(DATABASE_URL) },
    };
    expect(problemsOf(env)).toEqual([]);
  });

  it.each([
    ['SECRET_KEY_FILE', () => ({ SECRET_KEY_FILE: '/nowhere' }), /cannot be read: ENOENT/],
    ['SECRET_KEY_FILE', () => ({ SECRET_KEY_FILE: folder }), /cannot be read: EISDIR/],
    ['SECRET_KEY_FILE', () => ({ SECRET_KEY_FILE: fileWith('\n') }), /the file is empty/],
    ['METRICS_TOKEN', () => ({ METRICS_TOKEN_FILE: fileWith('short') }), /^METRICS_TOKEN: /],
    [
      'SECRET_KEY_FILE',
      () => ({ SECRET_KEY_FILE: fileWith(SECRET_KEY), SECRET_KEY }),
      /together with SECRET_KEY/,
    ],
  ])('is refused as %s with %o', (_name, env, message) => {
    const problems = problemsOf(env());
    expect(problems).toContainEqual(expect.stringMatching(message));
    expect(problems.join()).not.toContain(SECRET_KEY);
  });
});
