import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>;
type EngineModule = typeof import('@prisma/schema-engine-wasm/schema_engine_bg');

/**
 * Runs `work` with Prisma's schema engine (WebAssembly). Closes its connections afterwards, which
 * releases the advisory lock that it takes.
 */
export async function withSchemaEngine<Result>(
  options: { databaseUrl: string; schemaFile: string },
  work: (engine: SchemaEngine) => Promise<Result>,
): Promise<Result> {
  loaded ??= load();
  const { SchemaEngine } = await loaded;
  const open: Adapter[] = [];
  const factory: SqlMigrationAwareDriverAdapterFactory = {
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: async () => {
      const adapter = await connect(options.databaseUrl);
      open.push(adapter);
      return adapter;
    },
    connectToShadowDb: () => connectToShadow(options.databaseUrl),
  };
  try {
    const datamodels: [string, string][] = [
      [basename(options.schemaFile), readFileSync(options.schemaFile, 'utf8')],
    ];
    return await work(
      await SchemaEngine.new({ datamodels }, () => {}, bindMigrationAwareSqlAdapterFactory(factory)),
    );
  } finally {
    await Promise.all(open.map((adapter) => adapter.dispose()));
  }
}

// TypeScript declares WebAssembly only in its DOM library.
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    compile(bytes: Uint8Array): Promise<object>;
    instantiate(module: object, imports: object): Promise<{ exports: { __wbindgen_start?: unknown } }>;
  };
};

// One per process: a second instance would corrupt the memory views of the first.
let loaded: Promise<EngineModule> | undefined;

async function load(): Promise<EngineModule> {
  const panics = {
    set_message: (message: string) => process.emitWarning(`the schema engine panicked: ${message}`),
  };
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: panics });
  const engine = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const folder = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
  const module = await WebAssembly.compile(readFileSync(join(folder, 'schema_engine_bg.wasm')));
  const imports = { './schema_engine_bg.js': { ...engine, ...unrefTimers(engine) } };
  const instance = await WebAssembly.instantiate(module, imports);
  engine.__wbg_set_wasm(instance.exports);
  (instance.exports.__wbindgen_start as () => void)();
  return engine;
}

/** The engine never clears its ten-second lock timeout, which must not keep the process alive. */
function unrefTimers(
  engine: EngineModule,
): Record<string, (call: () => void, afterMs: number) => NodeJS.Timeout> {
  const names = Object.keys(engine).filter((name) => name.startsWith('__wbg_setTimeout_'));
  return Object.fromEntries(
    names.map((name) => [name, (call, afterMs) => setTimeout(call, afterMs >>> 0).unref()]),
  );
}

async function connect(connectionString: string): Promise<Adapter> {
  const pool = new pg.Pool({ connectionString, max: 4, connectionTimeoutMillis: 5000 });
  const characters = readInternalChars(pool);
  const adapter = await new PrismaPg(pool, { disposeExternalPool: true }).connect();
  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query);
    for (const index of characters.get(result.rows) ?? [])
      result.columnTypes[index] = ColumnTypeEnum.Character;
    return result;
  };
  // The adapter's own method splits the script at semicolons, even inside functions, and runs the
  // parts without a transaction. Sent as a whole, the script is one transaction.
  adapter.executeScript = async (script) => {
    try {
      await pool.query(script);
    } catch (error) {
      (adapter as unknown as { onError(error: unknown): never }).onError(error);
    }
  };
  return adapter;
}

const INTERNAL_CHAR = 18;
const TEXT = 25;

/**
 * The adapter rejects PostgreSQL's internal type "char", which the catalogs use. This presents such
 * columns as text, and returns their indexes by result.
 */
function readInternalChars(pool: pg.Pool): WeakMap<object, number[]> {
  const columns = new WeakMap<object, number[]>();
  const query = pool.query.bind(pool) as (
    ...args: unknown[]
  ) => Promise<pg.QueryArrayResult<unknown[]> | undefined>;
  const patched = async (...args: unknown[]) => {
    const result = await query(...args);
    const indexes =
      result?.fields?.flatMap(({ dataTypeID }, index) => (dataTypeID === INTERNAL_CHAR ? [index] : [])) ?? [];
    if (result && indexes.length > 0) {
      markAsText(result, indexes);
      columns.set(result.rows, indexes);
    }
    return result;
  };
  pool.query = patched as unknown as pg.Pool['query'];
  return columns;
}

function markAsText({ fields, rows }: pg.QueryArrayResult<unknown[]>, indexes: readonly number[]): void {
  for (const index of indexes) {
    const field = fields[index];
    if (field) field.dataTypeID = TEXT;
    for (const row of rows) if (row[index] === '') row[index] = '\0';
  }
}

/**
 * Creates an empty shadow database for one comparison. (The adapter's own method connects to the
 * real database.)
 */
async function connectToShadow(databaseUrl: string): Promise<Adapter> {
  const admin = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5000 });
  await admin.connect();
  const name = `prisma_migrate_shadow_db_${randomUUID()}`;
  await admin.query(`CREATE DATABASE "${name}"`);
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  const adapter = await connect(url.href);
  const dispose = adapter.dispose.bind(adapter);
  adapter.dispose = async () => {
    await dispose();
    await admin.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
    await admin.end();
  };
  return adapter;
}
