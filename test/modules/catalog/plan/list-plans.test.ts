import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AllPlansDocument, type AllPlansQueryVariables, PlansDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildPlan } from '../../../support/factories.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api.close());
beforeEach(() => api.services.db.plan.deleteMany());

const buildPlans = async (count: number) => {
  const ids: string[] = [];
  for (let plan = 0; plan < count; plan += 1) ids.push((await buildPlan(api.services.db)).id);
  return ids;
};

describe('plans', () => {
  it('lists what is on sale to everybody, the oldest first', async () => {
    const [first = '', second = ''] = await buildPlans(2);
    await buildPlan(api.services.db, { status: 'HIDDEN' });
    await buildPlan(api.services.db, { status: 'WITHDRAWN' });
    await buildPlan(api.services.db, { deletedAt: new Date() });

    for (const client of [api.anonymous, admin, await api.newUser()]) {
      expect((await client.get(PlansDocument)).plans?.map(({ id }) => id)).toEqual([first, second]);
    }
  });
});

describe('allPlans', () => {
  it('lists every plan but the deleted ones, the newest first, and counts them', async () => {
    const { id: hidden } = await buildPlan(api.services.db, { status: 'HIDDEN' });
    const { id: withdrawn } = await buildPlan(api.services.db, { status: 'WITHDRAWN' });
    await buildPlan(api.services.db, { deletedAt: new Date() });
    const { id: onSale } = await buildPlan(api.services.db);

    const { allPlans } = await admin.get(AllPlansDocument, { first: null });

    expect(allPlans).toMatchObject({
      nodes: [{ id: onSale }, { id: withdrawn }, { id: hidden }],
      pageInfo: { hasNextPage: false, hasPreviousPage: false },
      totalCount: 3,
    });
  });

  it('is walked through forwards without gaps or doubles while plans are added', async () => {
    const ids = await buildPlans(23);
    const seen: string[] = [];
    let after: string | null = null;

    for (let page = 0; page < 10; page += 1) {
      const { allPlans }: { allPlans?: PageOfPlans | null } = await admin.get(AllPlansDocument, {
        first: 5,
        after,
      });
      seen.push(...(allPlans?.nodes.map(({ id }) => id) ?? []));
      after = allPlans?.pageInfo.endCursor ?? null;
      if (!allPlans?.pageInfo.hasNextPage) break;
      await buildPlans(2);
    }

    expect(seen).toEqual(ids.toReversed());
  });

  it('is walked through backwards without gaps or doubles, up to the newest, those added meanwhile included', async () => {
    const ids = await buildPlans(12);
    const seen: string[] = [];
    let before: string | null = null;

    for (let page = 0; page < 20; page += 1) {
      const { allPlans }: { allPlans?: PageOfPlans | null } = await admin.get(AllPlansDocument, {
        last: 5,
        before,
      });
      seen.unshift(...(allPlans?.nodes.map(({ id }) => id) ?? []));
      before = allPlans?.pageInfo.startCursor ?? null;
      if (!allPlans?.pageInfo.hasPreviousPage) break;
      if (page < 2) ids.push(...(await buildPlans(3)));
    }

    expect(seen).toEqual(ids.toReversed());
  });

  it('says at its ends that there is nothing beyond them', async () => {
    await buildPlans(3);

    const first = (await admin.get(AllPlansDocument, { first: 2 })).allPlans;
    const rest = (await admin.get(AllPlansDocument, { first: 2, after: first?.pageInfo.endCursor ?? null }))
      .allPlans;
    const none = (await admin.get(AllPlansDocument, { after: rest?.pageInfo.endCursor ?? null })).allPlans;

    expect(first?.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    expect(rest?.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    expect(none).toMatchObject({ nodes: [], pageInfo: { hasNextPage: false, startCursor: null } });
  });

  it.each<[AllPlansQueryVariables, string]>([
    [{ first: 0 }, 'first'],
    [{ last: 0 }, 'last'],
    [{ first: -1 }, 'first'],
    [{ first: 101 }, 'first'],
    [{ first: 1, last: 1 }, 'last'],
    [{ after: 'x' }, 'after'],
    [{ before: Buffer.alloc(24).toString('base64url') }, 'before'],
  ])('refuses %j and names the argument', async (page, field) => {
    const { extensions } = await admin.refused(AllPlansDocument, page);

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });
});

interface PageOfPlans {
  nodes: { id: string }[];
  pageInfo: {
    hasNextPage: boolean;
    hasPreviousPage: boolean;
    startCursor?: string | null;
    endCursor?: string | null;
  };
}
