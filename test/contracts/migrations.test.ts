import { describe, expect, it } from 'vitest';
import { ownPrismaDir, readMigrations } from '../../src/platform/migrations/migration-files.ts';
import { isTransactional, statementsOf } from '../../src/platform/migrations/migration-history.ts';

/** Migrations are checked from this one on; databases have applied the earlier ones. */
const FIRST_CHECKED = '20261127';

/** Tables that grow with the customers. */
const LARGE =
  '(?:audit_entries|device_stays|devices|identities|identity_history|inherited_redemptions|orders|redemption_codes|redemptions|sessions|traffic_reports|user_subscriptions|users|wrong_guesses)';
const table = `"?${LARGE}"?`;

/** What would block the service, by how to do it instead. */
const RULES: readonly (readonly [instead: string, pattern: RegExp])[] = [
  [
    'CREATE INDEX CONCURRENTLY, in a migration outside a transaction',
    new RegExp(`CREATE\\s+(UNIQUE\\s+)?INDEX\\s+(?!CONCURRENTLY)[^;]*\\bON\\s+${table}`, 'i'),
  ],
  ['DROP INDEX CONCURRENTLY, in a migration outside a transaction', /DROP\s+INDEX\s+(?!CONCURRENTLY)/i],
  [
    'ADD CONSTRAINT … NOT VALID, and VALIDATE CONSTRAINT in the next migration',
    new RegExp(
      `ALTER\\s+TABLE\\s+${table}[^;]*ADD\\s+CONSTRAINT[^;]*(FOREIGN\\s+KEY|CHECK)(?![^;]*NOT\\s+VALID)`,
      'i',
    ),
  ],
  [
    'ADD CONSTRAINT … USING INDEX, of an index built concurrently',
    new RegExp(
      `ALTER\\s+TABLE\\s+${table}[^;]*ADD\\s+CONSTRAINT[^;]*(UNIQUE|PRIMARY\\s+KEY)(?!\\s+USING\\s+INDEX)`,
      'i',
    ),
  ],
  [
    'a new column, filled in steps',
    new RegExp(`ALTER\\s+TABLE\\s+${table}[^;]*ALTER\\s+COLUMN[^;]*\\bTYPE\\b`, 'i'),
  ],
  [
    'a valid CHECK (… IS NOT NULL) first, so that the table is not read under the lock',
    new RegExp(`ALTER\\s+TABLE\\s+${table}[^;]*SET\\s+NOT\\s+NULL`, 'i'),
  ],
  [
    'a constant default: a volatile one rewrites the table',
    new RegExp(`ALTER\\s+TABLE\\s+${table}[^;]*ADD\\s+COLUMN[^;]*DEFAULT\\s+[a-z_]+\\(`, 'i'),
  ],
  ['an UPDATE in steps, by a sweep', new RegExp(`^\\s*UPDATE\\s+${table}`, 'im')],
  ['a step that old processes survive, in a later release', /DROP\s+(TABLE|COLUMN)|RENAME\s+(TO|COLUMN)/i],
];

/** A migration outside a transaction may be repeated from its beginning. */
const REPEATABLE =
  /^(--[^\n]*\n)*\s*(DROP\s+INDEX\s+CONCURRENTLY\s+IF\s+EXISTS|CREATE\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY|ALTER\s+TABLE\s+\S+\s+VALIDATE\s+CONSTRAINT)\b/i;

const withoutComments = (sql: string) => sql.replace(/--[^\n]*/g, '');

function problemsOf(sql: string): string[] {
  const found = RULES.filter(([, pattern]) => pattern.test(withoutComments(sql))).map(([instead]) => instead);
  if (isTransactional({ sql })) return found;
  const isRepeatable = statementsOf({ sql }).every((text) => REPEATABLE.test(text));
  const created = [...sql.matchAll(/CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(\S+)/gi)].map(
    ([, name]) => name,
  );
  const isDroppedFirst = created.every((name) => sql.includes(`DROP INDEX CONCURRENTLY IF EXISTS ${name};`));
  return [...found, ...(isRepeatable && isDroppedFirst ? [] : ['statements that can be repeated'])];
}

describe('the check of migrations', () => {
  it.each([
    ['CREATE INDEX "x" ON "orders" ("id");', 'CREATE INDEX CONCURRENTLY'],
    ['CREATE UNIQUE INDEX x ON users(id);', 'CREATE INDEX CONCURRENTLY'],
    ['DROP INDEX "x";', 'DROP INDEX CONCURRENTLY'],
    ['ALTER TABLE "orders" ADD CONSTRAINT "x" CHECK (quantity > 0);', 'NOT VALID'],
    [
      'ALTER TABLE "orders" ADD CONSTRAINT "x" FOREIGN KEY ("a") REFERENCES "b"("id") ON DELETE CASCADE;',
      'NOT VALID',
    ],
    ['ALTER TABLE "orders" ADD CONSTRAINT "x" UNIQUE ("a");', 'USING INDEX'],
    ['ALTER TABLE "orders" ALTER COLUMN "a" SET DATA TYPE BIGINT;', 'a new column'],
    ['ALTER TABLE "orders" ALTER COLUMN "a" SET NOT NULL;', 'IS NOT NULL'],
    ['ALTER TABLE "orders" ADD COLUMN "a" UUID DEFAULT gen_random_uuid();', 'constant default'],
    ['-- note\nUPDATE orders SET a = 1;', 'in steps'],
    ['ALTER TABLE "orders" DROP COLUMN "a";', 'later release'],
    ['-- Outside a transaction.\nCREATE INDEX CONCURRENTLY "x" ON "orders" ("id");', 'can be repeated'],
    ['-- Outside a transaction.\nINSERT INTO a VALUES (1);', 'can be repeated'],
  ])('finds what would block the service in %s', (sql, instead) => {
    expect(problemsOf(sql)).toContainEqual(expect.stringContaining(instead));
  });

  it.each([
    'ALTER TABLE "orders" ADD COLUMN "a" BIGINT NOT NULL DEFAULT 0;',
    'ALTER TABLE "orders" ADD CONSTRAINT "x" CHECK (quantity > 0) NOT VALID;',
    'ALTER TABLE "orders" VALIDATE CONSTRAINT "x";',
    'CREATE INDEX "x" ON "plans" ("id");',
    'CREATE TABLE "new" ("order_id" UUID NOT NULL, CONSTRAINT "new_pkey" PRIMARY KEY ("order_id"));',
    '-- Outside a transaction.\nDROP INDEX CONCURRENTLY IF EXISTS "x";\n\nCREATE INDEX CONCURRENTLY "x" ON "orders" ("id");\n',
  ])('accepts %s', (sql) => {
    expect(problemsOf(sql)).toEqual([]);
  });
});

describe('every migration', () => {
  const migrations = readMigrations(ownPrismaDir()).filter(({ name }) => name >= FIRST_CHECKED);

  it.each(migrations)('$name blocks nothing', ({ sql }) => {
    expect(problemsOf(sql)).toEqual([]);
  });
});
