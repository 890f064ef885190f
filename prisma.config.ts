import { defineConfig } from 'prisma/config';

const url = process.env.DATABASE_URL;

// For Prisma's own command line. The service itself needs only prisma/
// (src/platform/migrations/migrate.ts).
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  ...(url ? { datasource: { url } } : {}),
});
