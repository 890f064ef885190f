/**
 * @typedef {{ file: string, find: string, replace: string }} Edit
 * @typedef {{ name: string, edits: Edit[], tests: string[] }} Mutant
 */

/**
 * Plausible bugs, and the tests that catch them. `npm run test:mutants` applies each to a copy of
 * the project.
 *
 * The text of `find` occurs exactly once in its file; test/contracts/mutants.test.ts checks it.
 *
 * @type {readonly Mutant[]}
 */
export const MUTANTS = [
  {
    name: 'no unique index on the orders of a user for a code',
    edits: [
      {
        file: 'prisma/migrations/20261122000000_init/migration.sql',
        find: 'CREATE UNIQUE INDEX "orders_one_per_code_key"',
        replace: 'CREATE INDEX "orders_one_per_code_key"',
      },
    ],
    tests: ['test/contracts/database.test.ts'],
  },
  {
    name: 'uses are counted by read and write instead of an increment',
    edits: [
      {
        file: 'src/modules/redemption/code/code-uses.ts',
        find: 'SET reserved_count = c.reserved_count + v.reserved, used_count = c.used_count + v.used',
        replace: 'SET reserved_count = greatest(v.reserved, 0), used_count = greatest(v.used, 0)',
      },
    ],
    tests: ['test/modules/redemption/code/code-uses.test.ts', 'test/faults/model.test.ts'],
  },
  {
    name: 'a Redis lock is released without checking its owner',
    edits: [
      {
        file: 'src/platform/redis/lock.ts',
        find: "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0",
        replace: "return redis.call('del', KEYS[1])",
      },
    ],
    tests: ['test/platform/redis/lock.test.ts'],
  },
  {
    name: 'eligibility is read before the locks are taken',
    edits: [
      {
        file: 'src/modules/redemption/accept/accept-orders.ts',
        find: `  await lockUsersAndCodes(tx, {
    userIds: requests.map(({ userId }) => userId),
    lookups: requests.flatMap(({ lookups }) => lookups),
  });
  const eligibilities = await readEligibility(tx, requests);`,
        replace: `  const eligibilities = await readEligibility(tx, requests);
  await lockUsersAndCodes(tx, {
    userIds: requests.map(({ userId }) => userId),
    lookups: requests.flatMap(({ lookups }) => lookups),
  });`,
      },
    ],
    tests: ['test/modules/redemption/accept/races.test.ts'],
  },
  {
    name: 'wake-ups are published before the commit',
    edits: [
      {
        file: 'src/modules/redemption/activate/activate-orders.ts',
        find: "  await crashPoint('activateOrders.beforeCommit');\n",
        replace: `  const { ORDER_CHANGED } = await import('../../kernel/topics.ts');
  globalThis.mutant.pubSub.publish(ORDER_CHANGED, [...decisions.finished, ...decisions.failed].map(({ id }) => id));
  await crashPoint('activateOrders.beforeCommit');
`,
      },
      {
        file: 'src/modules/redemption/activate/activate-orders.ts',
        find: '  const { db, log } = services;\n',
        replace: '  const { db, log } = services;\n  globalThis.mutant = services;\n',
      },
    ],
    tests: ['test/faults/announcing.test.ts'],
  },
  {
    name: 'caches are evicted before the commit',
    edits: [
      {
        file: 'src/modules/redemption/activate/activate-orders.ts',
        find: "  await crashPoint('activateOrders.beforeCommit');\n",
        replace: `  const { evictCachedOrders } = await import('../order/order-cache.ts');
  await evictCachedOrders(globalThis.mutant, [...decisions.finished, ...decisions.failed]);
  await crashPoint('activateOrders.beforeCommit');
`,
      },
      {
        file: 'src/modules/redemption/activate/activate-orders.ts',
        find: '  const { db, log } = services;\n',
        replace: '  const { db, log } = services;\n  globalThis.mutant = services;\n',
      },
    ],
    tests: ['test/faults/announcing.test.ts'],
  },
  {
    name: 'the reconciler never runs',
    edits: [
      {
        file: 'src/modules/redemption/activate/reconcile-orders.ts',
        find: '= 1_000;',
        replace: '= 0;',
      },
    ],
    tests: ['test/faults/clean-up.test.ts'],
  },
  {
    name: 'outages and conflicts are not retried',
    edits: [
      {
        file: 'src/platform/database/retry.ts',
        find: 'if (!(isOutage(error) || isConflict(error)) || performance.now() + delay > deadline) throw error;',
        replace: 'if (delay >= 0) throw error;',
      },
    ],
    tests: ['test/platform/database/database.test.ts'],
  },
  {
    name: 'users are locked with FOR UPDATE',
    edits: [
      {
        file: 'src/modules/kernel/locks.ts',
        find: `users WHERE id = ANY(\${[...userIds]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`,
        replace: `users WHERE id = ANY(\${[...userIds]}::uuid[]) ORDER BY id FOR UPDATE`,
      },
    ],
    tests: ['test/faults/locks.test.ts'],
  },
  {
    name: 'users are locked in random order',
    edits: [
      {
        file: 'src/modules/kernel/locks.ts',
        find: `users WHERE id = ANY(\${[...userIds]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`,
        replace: `users WHERE id = ANY(\${[...userIds]}::uuid[]) ORDER BY random() FOR NO KEY UPDATE`,
      },
    ],
    tests: ['test/faults/locks.test.ts'],
  },
  {
    name: 'getOrder returns orders of other users',
    edits: [
      {
        file: 'src/modules/redemption/order/get-order.ts',
        find: "caller.role === 'ADMIN' || order?.userId === caller.userId",
        replace: 'true',
      },
    ],
    tests: ['test/contracts/authorization.test.ts'],
  },
  {
    name: 'a root field has no policy',
    edits: [
      {
        file: 'src/modules/redemption/order/order.admin-resolver.ts',
        find: '  @AdminOnly()\n  @Query(() => OrderConnection',
        replace: '  @Query(() => OrderConnection',
      },
    ],
    tests: ['test/contracts/authorization.test.ts'],
  },
  {
    name: 'limits apply to HTTP only',
    edits: [
      {
        file: 'src/platform/graphql/operation.ts',
        find: 'if (cost instanceof GraphQLError) return [cost];',
        replace: 'if (cost instanceof GraphQLError) void cost;',
      },
    ],
    tests: ['test/platform/graphql/websocket.test.ts'],
  },
  {
    name: 'orders are activated regardless of their status',
    edits: [
      {
        file: 'src/modules/redemption/activate/activate-orders.ts',
        find: "::uuid[]) AND o.status = 'PAID'",
        replace: '::uuid[])',
      },
    ],
    tests: ['test/faults/crash-points.test.ts'],
  },
  {
    name: 'closing an order does not release its use',
    edits: [
      {
        file: 'src/modules/redemption/accept/dispatch-orders.ts',
        find: 'reserved: -1, used: 0 }));',
        replace: 'reserved: 0, used: 0 }));',
      },
    ],
    tests: ['test/faults/model.test.ts'],
  },
  {
    name: 'an order that was returned to another caller is closed',
    edits: [
      {
        file: 'src/modules/redemption/accept/dispatch-orders.ts',
        find: "status: 'PAID', isPinned: false }",
        replace: "status: 'PAID' }",
      },
    ],
    tests: ['test/modules/redemption/accept/pin-order.test.ts'],
  },
  {
    name: 'a new password leaves link codes and confirmation tokens valid',
    edits: [
      {
        file: 'src/modules/lifecycle/login/change-password.ts',
        find: 'const ended = await revokeAccess(tx, { userId, keptSessionId: sessionId });',
        replace: 'const ended: string[] = [];',
      },
    ],
    tests: ['test/contracts/revocation.test.ts'],
  },
  {
    name: 'sessions of devices have the role of the account',
    edits: [
      {
        file: 'src/modules/kernel/live-session.ts',
        find: "deviceId === null ? accountRole : 'USER';",
        replace: 'deviceId === undefined ? accountRole : accountRole;',
      },
    ],
    tests: ['test/contracts/revocation.test.ts'],
  },
  {
    name: 'a link code can be consumed concurrently',
    edits: [
      {
        file: 'src/modules/lifecycle/binding/link-code.ts',
        find: 'WHERE link_codes.id = valid.id AND link_codes.used_at IS NULL',
        replace: 'WHERE link_codes.id = valid.id',
      },
    ],
    tests: ['test/modules/lifecycle/binding/link-code.test.ts'],
  },
  {
    name: 'a device moves with a credential that it has made up',
    edits: [
      {
        file: 'src/modules/identity/device-proof/check-device.ts',
        find: "if (!matches(device, presented)) throw new DeviceError('DEVICE_PROOF_INVALID', { message: MOVE_MESSAGE });",
        replace: '',
      },
    ],
    tests: ['test/modules/lifecycle/binding/unproven-device.test.ts'],
  },
  {
    name: 'a changed e-mail address is not remembered',
    edits: [
      {
        file: 'src/modules/identity/history/rename-identity.ts',
        find: '  await rememberIdentities(tx, secrets, await tx.identity.findMany({ where: { id } }));\n',
        replace: '',
      },
    ],
    tests: ['test/modules/identity/history/identity-history.test.ts'],
  },
  {
    name: 'wrong passwords from elsewhere lock out known networks',
    edits: [
      {
        file: 'src/modules/lifecycle/login/check-credentials.ts',
        find: 'if (!isLimited || !(await isFromKnownNetwork(services, attempt))) throw error;',
        replace: 'if (isLimited || !(await isFromKnownNetwork(services, attempt))) throw error;',
      },
    ],
    tests: ['test/modules/lifecycle/login/log-in.test.ts'],
  },
  {
    name: 'the document store is not bounded in bytes',
    edits: [
      {
        file: 'src/platform/graphql/document-store.ts',
        find: 'while (this.#bytes > this.#limits.bytes || this.#documents.size > this.#limits.entries)',
        replace: 'while (this.#documents.size > this.#limits.entries)',
      },
    ],
    tests: ['test/platform/graphql/document-store.test.ts'],
  },
  {
    name: 'guessable codes are imported without permission',
    edits: [
      {
        file: 'src/modules/redemption/batch/create-redemption-codes.ts',
        find: '  if (!batch.allowGuessable) refuseGuessable(guessable);\n',
        replace: '  refuseGuessable([]);\n',
      },
    ],
    tests: ['test/modules/redemption/batch/create-redemption-codes.test.ts'],
  },
  {
    name: 'a restored database assigns the revisions of the lost one again',
    edits: [
      {
        file: 'src/modules/network/agent/renew-user-lists.ts',
        find: 'floor(extract(epoch FROM now() - ',
        replace: '0 * floor(extract(epoch FROM now() - ',
      },
    ],
    tests: ['test/modules/network/agent/renew-user-lists.test.ts'],
  },
  {
    name: 'the horizon ignores every transaction that is open',
    edits: [
      {
        file: 'prisma/migrations/20261127010000_revision_epochs/migration.sql',
        find: 'WHERE a.datid <> (SELECT oid',
        replace: 'WHERE a.datid <> (SELECT 0::oid',
      },
    ],
    tests: ['test/modules/network/agent/renew-user-lists.test.ts'],
  },
  {
    name: 'a rotation does not wait for processes that use the previous key',
    edits: [
      {
        file: 'src/modules/operations/secret-rotation/rotate-secret-key.ts',
        find: '  await waitForProcesses(services, target);',
        replace: '',
      },
    ],
    tests: ['test/modules/operations/secret-rotation/rotate-secret-key.test.ts'],
  },
  {
    name: 'a migration is recorded outside its transaction',
    edits: [
      {
        file: 'src/platform/migrations/apply-migration.ts',
        find: 'await client.query(`BEGIN; SET LOCAL lock_timeout',
        replace: 'await client.query(`SET LOCAL lock_timeout',
      },
    ],
    tests: ['test/platform/migrations/migrate.test.ts'],
  },
];
