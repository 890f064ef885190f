import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rememberIdentities } from '../../../../src/modules/identity/history/identity-history.ts';
import { readRefreshToken, refreshTokenOf } from '../../../../src/modules/identity/session/refresh-token.ts';
import { openConfig, sealConfig } from '../../../../src/modules/network/protocols/private-config.ts';
import { rotateSecretKey } from '../../../../src/modules/operations/secret-rotation/rotate-secret-key.ts';
import { createRedemptionCodes } from '../../../../src/modules/redemption/batch/create-redemption-codes.ts';
import { lookupsOf, openCode } from '../../../../src/modules/redemption/code/code-vault.ts';
import { createKeyRing } from '../../../../src/platform/keys/key-ring.ts';
import { followSecretKey, selectSecretKey } from '../../../../src/platform/keys/secret-key.ts';
import { createSecrets, DecryptionError } from '../../../../src/platform/keys/secrets.ts';
import { reportEnd, reportProcess } from '../../../../src/platform/service-processes.ts';
import { buildNode, buildPlan, buildUser } from '../../../support/factories.ts';
import { newProcess } from '../../../support/own-process.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

const [OLD, NEW, OTHER] = ['old', 'new', 'other'].map(
  (name) => `the ${name} secret key of this test: 0123456789`,
) as [string, string, string];

let services: TestServices;
let planId: string;
beforeEach(async () => {
  services = await createTestServices();
  planId = (await buildPlan(services.db)).id;
});
afterEach(() => services.close());

/** A process with these keys, which has checked them against the database. */
async function startProcess(secretKey: string, previousSecretKey?: string) {
  const secrets = createSecrets({ secretKey, previousSecretKey });
  const own = newProcess('api');
  const started = { ...services, secrets, own };
  await selectSecretKey(started);
  await reportProcess(started, own);
  return started;
}

type Process = Awaited<ReturnType<typeof startProcess>>;

const importCodes = (on: Process, codes: string[], idempotencyKey: string = randomUUID()) =>
  createRedemptionCodes(on, {
    actorId: null,
    input: { planId, unitTime: 'DAY', quantity: 1, maxUses: 1, codes, allowGuessable: true, idempotencyKey },
  });

const ignore = { onStart: () => {}, onCodes: () => {} };

/** The call must not wait for processes that a test does not need any more. */
async function end(...processes: Process[]) {
  for (const one of processes) await reportEnd(one, one.own);
}

describe('rotateSecretKey', () => {
  it('protects everything with the new key, so that the old one opens nothing', async () => {
    const old = await startProcess(OLD);
    const codes = Array.from({ length: 1_203 }, (_, n) => `BEFORE-ROTATION-${n}`);
    const before = await importCodes(old, codes, 'a-key');
    const { id: nodeId } = await buildNode(services.db);
    const sealed = sealConfig(old, nodeId, { listen: '::' });
    await services.db.node.update({ where: { id: nodeId }, data: { serverConfig: sealed } });
    await createKeyRing(old).current();
    await end(old);
    const process = await startProcess(NEW, OLD);

    const progress: number[] = [];
    const rotation = await rotateSecretKey(process, {
      onStart: () => {},
      onCodes: ({ done }) => progress.push(done),
    });

    expect(rotation).toMatchObject({ isRotated: true, unreadableCodes: 0 });
    expect(rotation.previousEndsAt?.getTime()).toBeGreaterThan(Date.now() + 14 * 60_000);
    expect(progress).toEqual([500, 1_000, 1_203]);
    const after = await startProcess(NEW);
    const rows = await services.db.redemptionCode.findMany();
    const opened = rows.map((row) => openCode(after, row));
    expect(new Set(opened).size).toBe(1_203);
    for (const [place, row] of rows.entries()) {
      expect(Buffer.from(row.lookup).toString('hex')).toBe(lookupsOf(after, opened[place] ?? '')[0]);
    }
    expect(() => openCode(old, rows[0] as never)).toThrow(DecryptionError);
    const node = await services.db.node.findUniqueOrThrow({ where: { id: nodeId } });
    expect(openConfig(after, node)).toEqual({ listen: '::' });
    expect(() => openConfig(old, node)).toThrow(DecryptionError);
    expect((await createKeyRing(after).current()).kid).toBeTruthy();
    await expect(createKeyRing(old).current()).rejects.toThrow(DecryptionError);
    await expect(startProcess(OLD)).rejects.toThrow(/^SECRET_KEY: /);
    // A retry of the import, and another import of one of the codes.
    expect((await importCodes(after, codes, 'a-key')).id).toBe(before.id);
    await expect(importCodes(after, codes.slice(0, 1))).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });

  it('keeps accepting refresh tokens, and recognizing identities that left an account', async () => {
    const old = await startProcess(OLD);
    const { id: userId } = await buildUser(services.db);
    const identity = { type: 'EMAIL', value: 'left@example.test', userId } as const;
    await rememberIdentities(services.db, old.secrets, [identity]);
    const refreshSeed = Buffer.alloc(32, 7);
    const token = refreshTokenOf(old.secrets, { sessionId: randomUUID(), refreshSeed, generation: 1 });
    await end(old);
    await rotateSecretKey(await startProcess(NEW, OLD), ignore);
    await services.db.$executeRaw`DELETE FROM service_processes`;
    await rotateSecretKey(await startProcess(OTHER, NEW), ignore);
    const after = await startProcess(OTHER);

    expect(readRefreshToken(after.secrets, token)?.isGenuine(refreshSeed)).toBe(true);
    const [row] = await services.db.identityHistory.findMany();
    const hashes = after.secrets.macs('identity-history', 'EMAIL:left@example.test');
    expect(hashes.some((hash) => hash.equals(Buffer.from(row?.keyHash ?? [])))).toBe(true);
    // The keys of those hashes are protected by the secret key in use, like everything else.
    const keys = await services.db.retainedMacKey.findMany();
    expect(keys).toHaveLength(6);
    for (const { keyCiphertext, purpose } of keys) {
      expect(after.secrets.reseal('mac-key', keyCiphertext, purpose)).toBeNull();
    }
  });

  it('does not start while a process lacks the new key, and names it', async () => {
    const old = await startProcess(OLD);
    const both = await startProcess(NEW, OLD);

    await expect(rotateSecretKey(both, ignore)).rejects.toThrow(
      new RegExp(`do not have the new key: api .*:${process.pid}\\. Restart`),
    );

    expect(both.secrets.fingerprint).toEqual(old.secrets.fingerprint);
    await followSecretKey(old);
  });

  it('waits until every process uses the new key before it reads the codes', async () => {
    const old = await startProcess(OLD);
    await end(old);
    const [slow, both] = [await startProcess(NEW, OLD), await startProcess(NEW, OLD)];
    const rotated = rotateSecretKey(both, ignore);
    await new Promise((resolve) => setTimeout(resolve, 300));
    // It has not noticed the rotation yet.
    await createRedemptionCodes(slow, {
      actorId: null,
      input: { planId, unitTime: 'DAY', quantity: 1, maxUses: 1, count: 1 },
    });
    const [row] = await services.db.redemptionCode.findMany();
    await followSecretKey(slow);
    await reportProcess(slow, slow.own);

    await rotated;

    const after = await startProcess(NEW);
    const stored = await services.db.redemptionCode.findUniqueOrThrow({ where: { id: row?.id ?? '' } });
    expect(openCode(after, stored)).toMatch(/^[0-9A-Z]+$/);
    expect(() => openCode(old, stored)).toThrow(DecryptionError);
  });

  it('never stores one code under two keys', async () => {
    await end(await startProcess(OLD));
    const [slow, both] = [await startProcess(NEW, OLD), await startProcess(NEW, OLD)];
    await end(slow);
    await rotateSecretKey(both, ignore);
    await importCodes(both, ['ONE-CODE-ONLY-ONCE']);
    await services.db.redemptionCode.deleteMany();

    // Prepared under the old key, because this process has not noticed the rotation.
    await importCodes(slow, ['ONE-CODE-ONLY-ONCE']);

    const rows = await services.db.redemptionCode.findMany();
    expect(rows.map(({ lookup }) => Buffer.from(lookup).toString('hex'))).toEqual([
      lookupsOf(both, '0NEC0DE0N1Y0NCE')[0],
    ]);
  });

  it('continues after an interruption', async () => {
    const old = await startProcess(OLD);
    await importCodes(
      old,
      Array.from({ length: 1_100 }, (_, n) => `INTERRUPTED-${n}`),
    );
    await end(old);
    const first = await startProcess(NEW, OLD);
    const interrupted = rotateSecretKey(first, {
      onStart: () => {},
      onCodes: () => {
        throw new Error('killed');
      },
    });
    await expect(interrupted).rejects.toThrow('killed');
    await expect(startProcess(NEW)).rejects.toThrow(/SECRET_KEY_PREVIOUS/);
    await end(first);

    const progress: number[] = [];
    const rotation = await rotateSecretKey(await startProcess(NEW, OLD), {
      onStart: () => {},
      onCodes: ({ done }) => progress.push(done),
    });

    expect(rotation.isRotated).toBe(true);
    expect(progress).toEqual([1_000, 1_100]);
    const after = await startProcess(NEW);
    const rows = await services.db.redemptionCode.findMany();
    expect(rows.map((row) => openCode(after, row))).toHaveLength(1_100);
  });

  it('refuses another rotation before it has finished', async () => {
    const first = await startProcess(OLD);
    await end(first);
    const both = await startProcess(NEW, OLD);
    await rotateSecretKey(both, ignore);
    await services.db
      .$executeRaw`UPDATE service_state SET previous_fingerprint = ${both.secrets.fingerprints[1]}`;
    await end(both);

    await expect(startProcess(OTHER, NEW)).rejects.toThrow(/still protected by the previous key/);
  });

  it('does nothing when there is nothing to do', async () => {
    expect(await rotateSecretKey(await startProcess(OLD), ignore)).toEqual({
      isRotated: false,
      previousEndsAt: null,
      unreadableCodes: 0,
    });
  });

  it('counts codes that no configured key opens, and leaves them', async () => {
    const old = await startProcess(OLD);
    await importCodes(old, ['READABLE-CODE-1', 'LOST-CODE-NUMBER-2']);
    const lost = createSecrets({ secretKey: OTHER }).encrypt('redemption-code', 'L0ST');
    const [row] = await services.db.redemptionCode.findMany();
    await services.db.redemptionCode.update({
      where: { id: row?.id ?? '' },
      data: { ciphertext: Uint8Array.from(lost) },
    });
    await end(old);

    const rotation = await rotateSecretKey(await startProcess(NEW, OLD), ignore);

    expect(rotation).toMatchObject({ isRotated: true, unreadableCodes: 1 });
  });
});
