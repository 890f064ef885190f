import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { post } from '../support/client.ts';
import { buildOrder } from '../support/factories.ts';

let api: TestApi;
let admin: TestUser;
let customers: TestUser[];
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  customers = [await api.newUser(), await api.newUser()];
  for (const { userId } of customers) await buildOrder(api.services.db, { userId });
});
afterAll(() => api.close());

type Owned = Record<string, { nodes: { user: { id: string } | null }[] }>;

describe.each(['orders', 'devices'])('%s', (list) => {
  const nodes = `${list} { nodes { user { id } } }`;

  it('include the owner for admins', async () => {
    const { data } = await post<Owned>(api.url, { query: `{ ${nodes} }` }, admin.token);

    const owners = data?.[list]?.nodes.map(({ user }) => user?.id);
    expect(owners).toEqual(expect.arrayContaining(customers.map(({ userId }) => userId)));
  });

  it('do not include the owner for users', async () => {
    const query = `{ viewer { ${nodes} } }`;

    const { data } = await post<{ viewer: Owned }>(api.url, { query }, customers[0]?.token);

    expect(data?.viewer[list]?.nodes).toEqual([{ user: null }]);
  });
});
