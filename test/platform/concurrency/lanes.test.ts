import { expect, it } from 'vitest';
import { createCoalescer } from '../../../src/platform/concurrency/coalescer.ts';
import { createLanes } from '../../../src/platform/concurrency/lanes.ts';
import { createGate } from '../../support/gate.ts';

interface Item {
  user: string;
  at: number;
}

/** Lanes whose runs wait at a gate. */
function start(count: number) {
  const [runs, gate] = [[] as Item[][], createGate()];
  const lanes = createLanes<Item, number>(
    count,
    ({ user }) => user,
    () =>
      createCoalescer({
        run: async (items: Item[]) => {
          runs.push(items);
          await gate.passed;
          return items.map(({ at }) => ({ status: 'fulfilled', value: at }));
        },
        overloaded: () => new Error('overloaded'),
      }),
  );
  return { lanes, runs, gate };
}

const items = Array.from({ length: 60 }, (_, at) => ({ user: `user ${at % 20}`, at }));

it('runs the items of different keys at the same time, and those of one key together', async () => {
  const { lanes, runs, gate } = start(3);

  const results = items.map((item) => lanes.add(item));
  await new Promise((resolve) => setImmediate(resolve));

  expect(runs).toHaveLength(3);
  const usersOf = (run: Item[]) => new Set(run.map(({ user }) => user));
  const users = runs.flatMap((run) => [...usersOf(run)]);
  expect(new Set(users).size).toBe(20);
  expect(users).toHaveLength(20);
  gate.pass();
  expect(await Promise.all(results)).toEqual(items.map(({ at }) => at));
});

it('with a count of one has one run at a time', async () => {
  const { lanes, runs, gate } = start(1);

  void Promise.all(items.map((item) => lanes.add(item)));
  await new Promise((resolve) => setImmediate(resolve));

  expect(runs).toHaveLength(1);
  gate.pass();
  await lanes.drain();
});

it('drains all lanes', async () => {
  const { lanes, gate } = start(3);
  let done = 0;
  for (const item of items) {
    void lanes.add(item).then(() => {
      done += 1;
    });
  }

  const drained = lanes.drain();
  gate.pass();
  await drained;

  expect(done).toBe(60);
});
