import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteOldTrafficReports } from '../../../../src/modules/network/traffic/delete-old-traffic-reports.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildServer, buildTrafficReport, inDays } from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

describe('deleteOldTrafficReports', () => {
  it('deletes reports that were applied 30 days ago, in several transactions, and keeps newer ones', async () => {
    const { db } = services;
    const { id: serverId } = await buildServer(db);
    await db.$executeRaw`
      INSERT INTO traffic_reports (server_id, boot_id, sequence, received_at)
      SELECT ${serverId}::uuid, gen_random_uuid(), n, now() - interval '30 days' FROM generate_series(1, 1500) AS n`;
    const kept = await buildTrafficReport(db, { serverId, receivedAt: inDays(-29.9) });

    expect(await deleteOldTrafficReports(services)).toBe(1_500);

    expect(await db.trafficReport.findMany()).toEqual([kept]);
    expect(await deleteOldTrafficReports(services)).toBe(0);
  });
});
