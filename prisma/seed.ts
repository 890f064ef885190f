import type { Prisma } from '../src/generated/prisma/client.ts';
import type { Services } from '../src/platform/services.ts';

const GIB = 2n ** 30n;

/** Fixed ids: seeding twice finds what the first time has made. */
const PLANS: Prisma.PlanCreateInput[] = [
  {
    id: '01930000-0000-7000-8000-000000000001',
    name: 'Basic',
    description: '100 GiB each month on two devices.',
    trafficLimit: 100n * GIB,
    deviceLimit: 2,
    speedLimit: 100,
    resetCycle: 'MONTHLY_START_DAY',
  },
  {
    id: '01930000-0000-7000-8000-000000000002',
    name: 'Unlimited',
    description: 'No limit on traffic or speed, on five devices.',
    deviceLimit: 5,
  },
  {
    id: '01930000-0000-7000-8000-000000000003',
    name: 'Trial',
    description: '1 GiB to try it out.',
    status: 'HIDDEN',
    trafficLimit: 1n * GIB,
    deviceLimit: 1,
    quota: 1,
  },
];

/** Enough to click through. May run at any time, and twice: what is there is left as it is. */
export async function seedDemo({ db }: Pick<Services, 'db'>): Promise<void> {
  for (const plan of PLANS) {
    const { id } = plan as { id: string };
    await db.plan.upsert({ where: { id }, create: plan, update: {} });
  }
}
