import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TrafficJournal } from '../../agent/traffic/traffic.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-journal-'));
  file = join(folder, 'traffic.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const counted = (runId: string, upload: bigint, download: bigint) => ({
  runId,
  counters: new Map([['sub@node', { upload, download }]]),
});

/** The bytes of all reports, each sent and acknowledged. */
async function drain(journal: TrafficJournal): Promise<bigint> {
  let sum = 0n;
  for (let report = await journal.nextReport(); report; report = await journal.nextReport()) {
    for (const { upload, download } of report.entries) sum += BigInt(upload) + BigInt(download);
    await journal.finishReport();
  }
  return sum;
}

it('reports what was counted since the last time', async () => {
  const journal = TrafficJournal.open(file);
  await journal.count(counted('a', 10n, 100n));
  expect(await journal.nextReport()).toMatchObject({
    sequence: '1',
    entries: [{ subscriptionId: 'sub', nodeId: 'node', upload: '10', download: '100' }],
  });
  await journal.finishReport();
  await journal.count(counted('a', 10n, 100n));
  expect(await journal.nextReport()).toBeNull();
  await journal.count(counted('a', 11n, 103n));
  expect(await drain(journal)).toBe(4n);
});

it('repeats a report unchanged after a crash, and adds what came meanwhile to the next', async () => {
  const journal = TrafficJournal.open(file);
  await journal.count(counted('a', 1n, 2n));
  const sent = await journal.nextReport();

  const next = TrafficJournal.open(file);
  await next.count(counted('a', 5n, 2n));
  expect(await next.nextReport()).toEqual(sent);
  await next.finishReport();
  expect(await next.nextReport()).toMatchObject({
    bootId: sent?.bootId,
    sequence: '2',
    entries: [{ upload: '4', download: '0' }],
  });
});

it('counts from zero when the core has started again', async () => {
  const journal = TrafficJournal.open(file);
  await journal.count(counted('a', 1_000n, 0n));
  await journal.count(counted('b', 30n, 0n));
  await journal.count(counted('b', 50n, 0n));
  expect(await drain(TrafficJournal.open(file))).toBe(1_050n);
});

it('counts beyond 2^53, and in several reports', async () => {
  const journal = TrafficJournal.open(file);
  const huge = 2n ** 60n;
  await journal.count({
    runId: 'a',
    counters: new Map(
      Array.from({ length: 5_001 }, (_, at) => [`sub${at}@node`, { upload: huge, download: 0n }]),
    ),
  });
  expect(await drain(journal)).toBe(huge * 5_001n);
});

it('refuses a damaged journal, whose traffic would be lost', () => {
  writeFileSync(file, '{"bootId": ');
  expect(() => TrafficJournal.open(file)).toThrow(/is damaged/);
});

it('loses and repeats nothing when it counts and reports concurrently', async () => {
  const journal = TrafficJournal.open(file);
  const sequences = new Set<string>();
  let reported = 0n;
  const report = async () => {
    const next = await journal.nextReport();
    if (!next) return;
    if (!sequences.has(next.sequence)) for (const { upload } of next.entries) reported += BigInt(upload);
    sequences.add(next.sequence);
    await journal.finishReport();
  };
  for (let bytes = 1n; bytes <= 100n; bytes += 1n)
    await Promise.all([report(), journal.count(counted('a', bytes, 0n))]);
  await report();
  expect(reported).toBe(100n);
});
