import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startHeartbeat } from '../src/heartbeat.ts';
import { selectSecretKey } from '../src/platform/keys/secret-key.ts';
import { createSecrets } from '../src/platform/keys/secrets.ts';
import { readProcesses } from '../src/platform/service-processes.ts';
import { newProcess } from './support/own-process.ts';
import { createTestServices, TEST_SECRET_KEY, type TestServices } from './support/services.ts';

let services: TestServices;
beforeEach(async () => {
  services = await createTestServices();
  await selectSecretKey(services);
});
afterEach(() => services.close());

const NEXT_KEY = 'the next secret key of this test: 0123456789';

describe('the heartbeat', () => {
  it('registers the process and follows the secret key', async () => {
    const secrets = createSecrets({ secretKey: NEXT_KEY, previousSecretKey: TEST_SECRET_KEY });
    secrets.use(services.secrets.fingerprint);
    const [next] = secrets.fingerprints;
    await services.db.$executeRaw`UPDATE service_state SET secret_fingerprint = ${next}`;
    const own = newProcess('worker');

    const heartbeat = startHeartbeat({ ...services, secrets }, own);
    await expect.poll(() => readProcesses(services)).toMatchObject([{ id: own.id, role: 'worker' }]);

    expect(heartbeat.problem()).toBeNull();
    expect(secrets.fingerprint).toEqual(next);
    const [process] = await readProcesses(services);
    expect(Buffer.from(process?.sealsWith ?? [])).toEqual(next);
    await heartbeat.stop();
  });

  it('reports that another secret key is in use', async () => {
    const other = createSecrets({ secretKey: NEXT_KEY });
    await services.db.$executeRaw`UPDATE service_state SET secret_fingerprint = ${other.fingerprint}`;

    const heartbeat = startHeartbeat(services, newProcess('api'));

    await expect.poll(() => heartbeat.problem()).toBe('SECRET_KEY');
    expect(await readProcesses(services)).toEqual([]);
    await heartbeat.stop();
  });

  it('names a transaction that delays the updates of agents', async () => {
    const warnings: object[] = [];
    const log = { ...services.log, warn: (fields: object) => warnings.push(fields) } as never;
    const blocker = services.db.$transaction(
      async (tx) => {
        await tx.$executeRaw`SET LOCAL idle_in_transaction_session_timeout = 0`;
        await tx.$executeRaw`SELECT pg_current_xact_id()`;
        await new Promise((resolve) => setTimeout(resolve, 11_500));
      },
      { timeout: 15_000 },
    );
    await new Promise((resolve) => setTimeout(resolve, 10_500));

    const heartbeat = startHeartbeat({ ...services, log }, newProcess('api'));

    await expect.poll(() => warnings).toMatchObject([{ pid: expect.any(Number), application: 'tessera' }]);
    await heartbeat.stop();
    await blocker;
  });
});
