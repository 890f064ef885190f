import { randomBytes } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { createSecrets } from '../../../src/platform/keys/secrets.ts';
import { checkPage, type List, paginate, type Window } from '../../../src/platform/pagination/page.ts';

const secrets = createSecrets({ secretKey: randomBytes(32).toString('hex') });
const id = (number: number) => `019a0000-0000-7000-8000-${String(number).padStart(12, '0')}`;

/** The numbers 1 to `size` as a list, newest first. */
function numbers(
  size: number,
): List<{ id: string }> & { count: ReturnType<typeof vi.fn<() => Promise<number>>> } {
  const all = Array.from({ length: size }, (_, index) => ({ id: id(index + 1) }));
  return {
    name: 'numbers',
    order: 'desc',
    count: vi.fn(async () => size),
    find: async ({ where, orderBy, take }: Window) => {
      const { gt = '', lt = 'g' } = where.id ?? {};
      const found = all.filter((row) => row.id > gt && row.id < lt);
      return (orderBy[0]?.id === 'asc' ? found : found.reverse()).slice(0, take);
    },
  };
}

const ids = ({ nodes }: { nodes: { id: string }[] }) => nodes.map((node) => Number(node.id.slice(-4)));

describe('paginate', () => {
  it('pages forward after the last entry, and back before the first', async () => {
    const first = await paginate({ secrets }, { first: 2 }, numbers(5));
    const second = await paginate({ secrets }, { first: 2, after: first.pageInfo.endCursor }, numbers(5));
    const back = await paginate({ secrets }, { last: 2, before: second.pageInfo.startCursor }, numbers(5));

    expect([ids(first), ids(second), ids(back)]).toEqual([
      [5, 4],
      [3, 2],
      [5, 4],
    ]);
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    expect(second.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
    expect(back.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
  });

  it('reports no next page if the page ends with the list', async () => {
    const page = await paginate({ secrets }, { first: 5 }, numbers(5));

    expect(ids(page)).toEqual([5, 4, 3, 2, 1]);
    expect(page.pageInfo.hasNextPage).toBe(false);
  });

  it('returns null cursors for an empty page', async () => {
    const { nodes, pageInfo } = await paginate({ secrets }, {}, numbers(0));

    expect(nodes).toEqual([]);
    expect(pageInfo).toEqual({
      hasNextPage: false,
      hasPreviousPage: false,
      startCursor: null,
      endCursor: null,
    });
  });

  it('computes totalCount only when it is read', async () => {
    const list = numbers(3);
    const page = await paginate({ secrets }, {}, list);

    expect(list.count).not.toHaveBeenCalled();
    expect(await page.totalCount).toBe(3);
  });

  it('rejects a cursor with any bit changed', async () => {
    const { pageInfo } = await paginate({ secrets }, {}, numbers(3));
    const bytes = Buffer.from(pageInfo.endCursor ?? '', 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const page = paginate({ secrets }, { after: changed.toString('base64url') }, numbers(3));

      await expect(page).rejects.toMatchObject({ code: 'BAD_USER_INPUT', details: { field: 'after' } });
    }
  });
});

describe('checkPage', () => {
  it.for([
    [{}, 20, false],
    [{ first: null, last: null }, 20, false],
    [{ first: 1 }, 1, false],
    [{ first: 100, last: null }, 100, false],
    [{ last: 7 }, 7, true],
  ] as const)('accepts %o as a page of %i', ([page, size, backward]) => {
    expect(checkPage(page)).toEqual({ size, backward });
  });

  it.for([
    [{ first: 0 }, 'first'],
    [{ first: 101 }, 'first'],
    [{ first: -1 }, 'first'],
    [{ last: 0 }, 'last'],
    [{ last: 101 }, 'last'],
    [{ first: 1, last: 1 }, 'last'],
  ] as const)('rejects %o naming %s', ([page, field]) => {
    expect(() => checkPage(page)).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field } }),
    );
  });
});
