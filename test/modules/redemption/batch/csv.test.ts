import { get, type IncomingMessage } from 'node:http';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createRedemptionCodes } from '../../../../src/modules/redemption/batch/create-redemption-codes.ts';
import { makeCsvTokens } from '../../../../src/modules/redemption/batch/csv-link.ts';
import { LIMITS } from '../../../../src/platform/graphql/limits.ts';
import { createLogger } from '../../../../src/platform/logger.ts';
import {
  LogoutDocument,
  RedemptionBatchesDocument,
  RedemptionCodesDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildBatch, buildCaller, buildPlan, inDays } from '../../../support/factories.ts';
import { eventually } from '../../../support/redeeming.ts';

let api: TestApi;
let admin: TestUser;
const logged: string[] = [];
beforeAll(async () => {
  const log = createLogger('trace');
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) {
    vi.spyOn(log, level).mockImplementation((...line: unknown[]) => void logged.push(JSON.stringify(line)));
  }
  api = await startTestApi({ log });
  admin = await api.newAdmin();
});
afterAll(async () => {
  await api.close();
  vi.restoreAllMocks();
});

const create = async (input: Partial<Parameters<typeof createRedemptionCodes>[1]['input']> = {}) =>
  createRedemptionCodes(api.services, {
    actorId: null,
    input: {
      ...{ planId: (await buildPlan(api.services.db)).id, unitTime: 'MONTH', quantity: 1, maxUses: 1 },
      ...(!input.codes && { count: 3 }),
      ...input,
    },
  });

/** @returns the link to the newest batch; an empty string if it has none */
async function newestLink(): Promise<string> {
  const { redemptionBatches } = await admin.get(RedemptionBatchesDocument, { first: 1 });
  return redemptionBatches?.nodes[0]?.csvUrl ?? '';
}

/** Starts a download that is too long for the buffers of the connection, and does not read it. */
async function startDownload(): Promise<IncomingMessage> {
  const link = await newestLink();
  return new Promise((resolve, reject) => {
    get(link, { agent: false }, (response) => resolve(response.pause())).once('error', reject);
  });
}

describe('csvUrl', () => {
  it('has a limited number of downloads at the same time, and keeps the link of a rejected one', async () => {
    await create({ count: 10_000, label: 'x'.repeat(90) });
    const link = await newestLink();
    const running = await Promise.all(Array.from({ length: LIMITS.csvDownloads }, startDownload));

    const rejected = await fetch(link);
    expect(rejected.status).toBe(503);
    expect(rejected.headers.get('retry-after')).toBe('5');
    for (const response of running) response.destroy();
    await eventually(async () => (await fetch(await newestLink(), { method: 'GET' })).status === 200);

    expect((await fetch(link)).status).toBe(200);
  });

  it('links to a file with all codes of the batch that may not be cached', async () => {
    const { id, planId } = await create({ count: 1_234, label: 'Fair' });
    const plan = await api.services.db.plan.findUniqueOrThrow({ where: { id: planId } });
    const link = await newestLink();
    expect(link).toMatch(new RegExp(`^${api.url}/csv/[\\w-]{92}$`));

    const response = await fetch(link);

    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="codes-${id}.csv"`);
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    const [header, ...lines] = (await response.text()).split('\r\n');
    expect(header).toBe(
      'code,plan,unitTime,quantity,maxUses,usedCount,reservedCount,expiresAt,enabled,label,note',
    );
    expect(lines.pop()).toBe('');
    const codes = lines.map((line) => line.split(',')[0] ?? '');
    expect(new Set(codes).size).toBe(1_234);
    expect(lines[0]).toMatch(new RegExp(`^(\\w{4}-){3}\\w{4},${plan.name},MONTH,1,1,0,0,,true,Fair,$`));
    const filter = { batchId: id, code: codes[777] ?? '' };
    const { redemptionCodes } = await admin.get(RedemptionCodesDocument, { filter });
    expect(redemptionCodes?.totalCount).toBe(1);
  });

  it('links to a file without deleted codes in which no text can be run as a formula', async () => {
    const { id: batchId } = await create({ label: '=HYPERLINK("http://evil.example")' });
    const { db } = api.services;
    const [deleted, noted] = await db.redemptionCode.findMany({ where: { batchId } });
    await db.redemptionCode.update({ where: { id: deleted?.id ?? '' }, data: { deletedAt: inDays(0) } });
    await db.redemptionCode.update({ where: { id: noted?.id ?? '' }, data: { note: 'two\nlines, "x"' } });

    const text = await (await fetch(await newestLink())).text();

    expect(text.split('\r\n')).toHaveLength(4);
    expect(text.match(/"'=HYPERLINK\(""http:\/\/evil\.example""\)"/g)).toHaveLength(2);
    expect(text).toContain(',"two\nlines, ""x"""\r\n');
  });

  it.each([
    ...['=1', '+1', '-1', '@x', '\t=1', '\r=1', '\n=1', '\n', ' =1', '\u200b=1', '\ufeff=1', '\u00a0+1'],
    ...['＝1', '＋1', '－1', '＠x', '﹦1', '﹢1', '﹣1', '﹫x', '\u22121', '\u2028=1'],
  ])('exports the note %j as text', async (note) => {
    const { id: batchId } = await create({ count: 1 });
    await api.services.db.redemptionCode.updateMany({ where: { batchId }, data: { note } });

    const text = await (await fetch(await newestLink())).text();

    expect(text.split('\r\n')[1] ?? '').toMatch(/,"?'/);
  });

  it('has the note of the batch for codes without one, and a byte order mark if it is wanted', async () => {
    await create({ count: 1, note: 'of the fair' });
    const link = await newestLink();

    const bytes = Buffer.from(await (await fetch(`${link}?bom=1`)).arrayBuffer());

    expect([...bytes.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf]);
    expect(bytes.toString()).toContain(',of the fair\r\n');
    const plain = Buffer.from(await (await fetch(await newestLink())).arrayBuffer());
    expect(plain.toString('latin1').startsWith('code,')).toBe(true);
  });

  it('works for one of several concurrent requests, and not for HEAD', async () => {
    await create();
    const link = await newestLink();
    expect((await fetch(link, { method: 'HEAD' })).status).toBe(404);

    const answers = await Promise.all(Array.from({ length: 8 }, () => fetch(link)));

    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([200, ...Array.from({ length: 7 }, () => 404)]);
    const refused = await fetch(link);
    expect(refused.headers.get('cache-control')).toBe('no-store');
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
  });

  it('expires after five minutes', async () => {
    const { id: batchId } = await create();
    const { db, secrets } = api.services;
    const { sessionId } = await buildCaller(db, { role: 'ADMIN' });
    const tokenAfter = (seconds: number) =>
      db.$transaction(async (tx) => {
        await tx.$executeRaw`SELECT set_config('tessera.clock_offset', ${`-${seconds} seconds`}, true)`;
        const [made] = await makeCsvTokens({ db: tx, secrets }, [{ batchId, sessionId }]);
        return made?.status === 'fulfilled' ? made.value : '';
      });

    expect((await fetch(`${api.url}/csv/${await tokenAfter(301)}`)).status).toBe(404);
    expect((await fetch(`${api.url}/csv/${await tokenAfter(290)}`)).status).toBe(200);
  });

  it('does not work if it was altered, its user is no longer an admin or its batch was deleted', async () => {
    const { id } = await create();
    const link = await newestLink();
    const changed = link.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'));
    for (const other of [changed, link.slice(0, -4), `${api.url}/csv/x`]) {
      expect((await fetch(other)).status, other).toBe(404);
    }
    const { db } = api.services;
    await db.user.update({ where: { id: admin.userId }, data: { role: 'USER' } });
    expect((await fetch(link)).status).toBe(404);
    await db.user.update({ where: { id: admin.userId }, data: { role: 'ADMIN' } });
    expect((await fetch(link)).status, 'used up').toBe(404);
    const another = await newestLink();
    await db.redemptionBatch.update({ where: { id }, data: { deletedAt: inDays(0) } });
    expect((await fetch(another)).status).toBe(404);
  });

  it('does not work after the session that requested it was revoked', async () => {
    await create();
    const other = await api.newAdmin();
    const { redemptionBatches } = await other.get(RedemptionBatchesDocument, { first: 1 });

    await other.get(LogoutDocument);

    expect((await fetch(redemptionBatches?.nodes[0]?.csvUrl ?? '')).status).toBe(404);
  });

  it('is null until the batch is ready', async () => {
    await buildBatch(api.services.db, { count: 2, created: 1 });
    expect(await newestLink()).toBe('');
  });

  it('is audited when it is used, without its token', async () => {
    const { id } = await create();
    const link = await newestLink();
    const token = link.split('/').at(-1) ?? '';
    await fetch(link);
    await fetch(link);

    const entries = await api.services.db.auditEntry.findMany({
      where: { action: 'downloadRedemptionCodes' },
    });

    const own = entries.filter(({ targetId }) => targetId === id);
    expect(own).toMatchObject([{ actorId: admin.userId, after: { codes: 3 }, ip: '127.0.0.1' }]);
    expect(JSON.stringify(own)).not.toContain(token);
    expect(token.length).toBeGreaterThan(80);
    expect(logged.join('\n')).not.toContain(token);
  });

  it('is read in one statement for a page of batches', async () => {
    const query = vi.spyOn(pg.Client.prototype, 'query');
    await admin.get(RedemptionBatchesDocument, { first: 5 });
    const asked = query.mock.calls.map(([sql]) => JSON.stringify(sql));
    query.mockRestore();

    expect(asked.filter((sql) => sql.includes('SELECT tessera_now() AS now')).length).toBeLessThanOrEqual(2);
    expect(asked.filter((sql) => sql.includes('redeemedCodes')).length).toBeLessThanOrEqual(2);
  });
});

describe('a CSV download', () => {
  /**
   * Opens a download of 120 MB, more than the kernel buffers of the connection hold (up to 40 MB).
   */
  async function openLarge(): Promise<{ response: IncomingMessage; pagesRead: () => number }> {
    const { id } = await create({ count: 10_000 });
    await api.services.db.$executeRaw`
      UPDATE redemption_codes SET note = repeat('n', 12000) WHERE batch_id = ${id}::uuid`;
    const query = vi.spyOn(pg.Client.prototype, 'query');
    onTestFinished(() => query.mockRestore());
    const link = await newestLink();
    const response = await new Promise<IncomingMessage>((done) => get(link, done));
    response.pause();
    const pagesRead = () =>
      query.mock.calls.filter(([sql]) =>
        /FROM "public"."redemption_codes"/.test(JSON.stringify(sql).replaceAll('\\', '')),
      ).length;
    return { response, pagesRead };
  }

  /** Waits until the count has not changed for 300 ms. */
  async function settled(count: () => number): Promise<number> {
    let [last, since] = [count(), performance.now()];
    await eventually(() => {
      if (count() !== last) [last, since] = [count(), performance.now()];
      return last > 0 && performance.now() - since > 300;
    });
    return last;
  }

  it('pauses with its reader and then continues to the end', async () => {
    const { response, pagesRead } = await openLarge();

    expect(await settled(pagesRead)).toBeLessThan(15);

    let lines = 0;
    for await (const piece of response.setEncoding('utf8')) lines += piece.split('\r\n').length - 1;
    expect(lines).toBe(10_001);
    expect(pagesRead()).toBe(21);
  }, 30_000);

  it('stops reading when its reader disconnects', async () => {
    const { response, pagesRead } = await openLarge();
    await settled(pagesRead);

    response.destroy();

    expect(await settled(pagesRead)).toBeLessThan(15);
  }, 30_000);
});
