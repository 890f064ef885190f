import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prisma } from '../../../../src/generated/prisma/client.ts';
import { erasePerson } from '../../../../src/modules/lifecycle/privacy/erase-person.ts';
import { exportPerson } from '../../../../src/modules/lifecycle/privacy/export-person.ts';
import {
  buildAuditEntry,
  buildDevice,
  buildDeviceStay,
  buildIdentity,
  buildLinkCode,
  buildPendingBinding,
  buildRedemption,
  buildSession,
  buildUser,
} from '../../../support/factories.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

let services: TestServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

const MARK = 'mark-of-one-person';

/** A person with two accounts, one merged into the other, and every kind of data. */
async function newPerson(): Promise<string> {
  const { db } = services;
  const { id: userId } = await buildUser(db);
  const { id: mergedId } = await buildUser(db, { mergedIntoId: userId, deletedAt: new Date() });
  await buildIdentity(db, { userId, type: 'EMAIL', value: `${MARK}@example.test`, passwordHash: 'x' });
  const details = { name: MARK, userAgent: MARK, ip: '203.0.113.77', platform: MARK, appVersion: MARK };
  const device = await buildDevice(db, { userId, ...details });
  await buildDevice(db, { userId, ...details, enabled: false });
  for (const owner of [userId, mergedId]) {
    await buildSession(db, { userId: owner, ip: '203.0.113.77', userAgent: MARK });
    await buildDeviceStay(db, { userId: owner, deviceId: owner === userId ? device.id : null });
    await buildAuditEntry(db, { actorId: owner, ip: '203.0.113.77' });
  }
  await buildLinkCode(db, { userId });
  await buildPendingBinding(db, { userId, payload: { userAgent: MARK } });
  await buildRedemption(db, { userId });
  await db.wrongGuess.create({ data: { userId, day: new Date() } });
  return userId;
}

/** The tables in which a text occurs. */
async function tablesWith(text: string): Promise<string[]> {
  const { db } = services;
  const tables = await db.$queryRaw<{ name: string }[]>`
    SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1`;
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await db.$queryRaw<object[]>`
      SELECT 1 FROM ${Prisma.raw(name)} t WHERE t::text LIKE ${`%${text}%`} LIMIT 1`;
    if (rows.length > 0) found.push(name);
  }
  return found;
}

describe('erasePerson', () => {
  it('leaves no trace of the person in any table, and keeps the orders', async () => {
    const userId = await newPerson();
    expect(await tablesWith(MARK)).toEqual(['devices', 'identities', 'pending_bindings', 'sessions']);
    expect(await tablesWith('203.0.113.77')).toEqual(['audit_entries', 'devices', 'sessions']);

    await erasePerson(services, userId);

    expect(await tablesWith(MARK)).toEqual([]);
    expect(await tablesWith('203.0.113.77')).toEqual([]);
    const { db } = services;
    expect(await db.order.count({ where: { userId } })).toBe(1);
    expect(await db.deviceStay.count()).toBe(0);
    expect(await db.user.findUnique({ where: { id: userId } })).toMatchObject({
      deletedAt: expect.any(Date),
    });
    expect(await db.device.findMany({ where: { userId } })).toMatchObject([{ enabled: false, name: null }]);
    await erasePerson(services, userId);
    expect(await db.auditEntry.count({ where: { action: 'eraseUser', targetId: userId } })).toBe(2);
  });

  it('refuses the last enabled admin, and changes nothing', async () => {
    const admin = await buildUser(services.db, { traits: ['admin'] });
    const session = await buildSession(services.db, { userId: admin.id, userAgent: 'kept' });

    await expect(erasePerson(services, admin.id)).rejects.toMatchObject({ code: 'STILL_IN_USE' });

    expect(await services.db.session.findUnique({ where: { id: session.id } })).toEqual(session);
  });
});

describe('exportPerson', () => {
  it('contains the rows of both accounts, none of others, and no credentials', async () => {
    const userId = await newPerson();
    await newPersonElse();

    const json = await exportPerson(services, userId);

    const data = JSON.parse(json) as Record<string, object[]>;
    const counts = Object.fromEntries(Object.entries(data).map(([table, rows]) => [table, rows.length]));
    expect(counts).toEqual({
      ...{ users: 2, identities: 4, devices: 3, device_stays: 2, sessions: 2, link_codes: 1 },
      ...{ pending_bindings: 1, user_subscriptions: 1, orders: 1, redemptions: 1, wrong_guesses: 1 },
      audit_entries: 2,
    });
    expect(json).not.toMatch(/password_hash|secret_hash|refresh_seed|credential|code_hash|token_hash/);
    expect(json).not.toContain('someone else');
  });
});

async function newPersonElse(): Promise<void> {
  await buildDevice(services.db, { name: 'someone else' });
}

describe('an audit entry', () => {
  it('can lose its address during an erasure, and nothing else', async () => {
    const { db } = services;
    const { id } = await buildAuditEntry(db, { ip: '203.0.113.9', action: 'createPlan' });
    const during = (change: Prisma.Sql) =>
      db.$transaction(async (tx) => {
        await tx.$executeRaw`SELECT set_config('tessera.erasure', 'on', true)`;
        await tx.$executeRaw`UPDATE audit_entries SET ${change} WHERE id = ${id}::uuid`;
      });

    await expect(during(Prisma.sql`ip = '203.0.113.10'`)).rejects.toThrow(/only ever added/);
    await expect(during(Prisma.sql`ip = NULL, action = 'other'`)).rejects.toThrow(/only ever added/);
    await expect(db.auditEntry.update({ where: { id }, data: { ip: null } })).rejects.toThrow(
      /only ever added/,
    );
    await during(Prisma.sql`ip = NULL`);
  });
});
