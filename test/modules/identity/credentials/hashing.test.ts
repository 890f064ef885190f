import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createHashing, HASHING_LIMITS } from '../../../../src/modules/identity/credentials/hashing.ts';
import { createSemaphore } from '../../../../src/platform/concurrency/semaphore.ts';
import { inRequestScope } from '../../../../src/platform/request-scope.ts';
import { createGate } from '../../../support/gate.ts';

const SCOPE = { requestId: 'r', ip: '192.0.2.1', userAgent: null };

/** Hashing whose work waits for `open`, and counts what runs at the same time. */
function gated(settings: Parameters<typeof createHashing>[0]) {
  const hashing = createHashing(settings);
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const seen = { running: 0, most: 0 };
  const work = async () => {
    seen.running += 1;
    seen.most = Math.max(seen.most, seen.running);
    await opened;
    seen.running -= 1;
  };
  return { hash: (account?: string) => hashing.run(account, work), hashing, open, seen };
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'OK',
    ({ code }: { code: string }) => code,
  );

const tally = (codes: string[]) =>
  Object.fromEntries([...new Set(codes)].map((code) => [code, codes.filter((each) => each === code).length]));

describe('createHashing', () => {
  it('runs as many hashes as cores, and rejects those beyond a short queue', async () => {
    let client = 0;
    const { hash, open, seen } = gated({ cores: 2, address: () => `${client++}` });
    const codes = Promise.all(Array.from({ length: 100 }, () => codeOf(hash())));

    open();

    const accepted = 2 + HASHING_LIMITS.waiting;
    expect(tally(await codes)).toEqual({ OK: accepted, SERVICE_UNAVAILABLE: 100 - accepted });
    expect(seen.most).toBe(2);
  });

  it.each([
    ['an account, from any addresses', (client: number) => `${client}`, 'account'],
    ['an address, of any accounts', () => 'the same', undefined],
  ])('runs one hash at a time of %s', async (_what, addressOf, account) => {
    let client = 0;
    const { hash, open, seen } = gated({ cores: 4, address: () => addressOf(client++) });
    const codes = Promise.all(Array.from({ length: 30 }, () => codeOf(hash(account))));

    open();

    const accepted = 1 + HASHING_LIMITS.waitingPerKey;
    expect(tally(await codes)).toEqual({ OK: accepted, RATE_LIMITED: 30 - accepted });
    expect(seen.most).toBe(1);
    expect(await codeOf(hash(account))).toBe('OK');
  });

  it('rejects an attempt before other work while there is no room', async () => {
    const { hash, hashing, open } = gated({ cores: 4, address: () => 'the same' });
    const works = Array.from({ length: 1 + HASHING_LIMITS.waitingPerKey }, () => hash('account'));

    expect(() => hashing.ensureRoom('other')).toThrow('Too many attempts');
    open();
    await Promise.all(works);
    expect(() => hashing.ensureRoom('other')).not.toThrow();
  });

  it('does not occupy a slot of the request limit', async () => {
    const requests = createSemaphore(1);
    const { hash, open } = gated({ cores: 1 });
    const gate = createGate();

    const hashed = requests((slot) => inRequestScope({ ...SCOPE, slot }, () => hash('account')));
    const other = requests(async () => gate.pass());
    await gate.passed;
    open();

    await Promise.all([hashed, other]);
  });

  it('has the limits that are documented', () => {
    const page = readFileSync('docs/limits.md', 'utf8');

    expect(page).toContain(
      `| waiting hashes of one account or one address | ${HASHING_LIMITS.waitingPerKey} |`,
    );
    expect(page).toContain(`| waiting hashes of a process | ${HASHING_LIMITS.waiting} |`);
  });
});
