import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPlanReads } from '../../../../src/modules/catalog/plan/list-plans.ts';
import { updatePlan } from '../../../../src/modules/catalog/plan/update-plan.ts';
import { announce } from '../../../../src/modules/kernel/announce.ts';
import { buildPlan, buildUser } from '../../../support/factories.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';
import { statementsOf } from '../../../support/statements.ts';

let services: TestServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services?.close());

const rename = (id: string, name: string) => services.db.plan.update({ where: { id }, data: { name } });

it('reads a plan once a second', async () => {
  const { readPlan } = createPlanReads(services);
  const { id } = await buildPlan(services.db);
  await readPlan(id);

  const { queries } = await statementsOf(() => Promise.all([readPlan(id), readPlan(id)]));

  expect(queries).toEqual([]);
});

it('sees a change by this process immediately', async () => {
  const { readPlan } = createPlanReads(services);
  const { id } = await buildPlan(services.db, { name: 'Before' });
  const { id: actorId } = await buildUser(services.db, { role: 'ADMIN' });
  await readPlan(id);

  await updatePlan(services, { actorId, id, input: { name: 'After' } });

  expect(await readPlan(id)).toMatchObject({ name: 'After' });
});

it('sees a change by another process as soon as it is announced', async () => {
  const { readPlan } = createPlanReads(services);
  const { id } = await buildPlan(services.db, { name: 'Before' });
  await readPlan(id);

  await rename(id, 'After');
  announce(services, { planIds: [id] });

  expect(await readPlan(id)).toMatchObject({ name: 'After' });
});

it('sees a change whose announcement was lost within a second', async () => {
  const { readPlan } = createPlanReads(services);
  const { id } = await buildPlan(services.db, { name: 'Before' });
  await readPlan(id);

  await rename(id, 'After');

  await expect.poll(async () => (await readPlan(id))?.name, { timeout: 1_500 }).toBe('After');
});

it('does not remember that a plan was missing', async () => {
  const { readPlan } = createPlanReads(services);
  const { id } = await buildPlan(services.db);
  const [row] = await services.db.$queryRaw<{ id: string }[]>`SELECT gen_random_uuid()::text AS id`;
  const missing = row?.id ?? '';
  expect(await readPlan(missing)).toBeUndefined();

  await services.db.plan.update({ where: { id }, data: { id: missing } });

  expect(await readPlan(missing)).toMatchObject({ id: missing });
});
