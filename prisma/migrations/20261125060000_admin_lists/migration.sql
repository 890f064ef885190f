-- What admins sort and search by, so that a page costs the same among a million rows as among ten.

DROP INDEX "orders_created_at_idx";
CREATE INDEX "orders_created_at_id_idx" ON "orders"("created_at", "id");
CREATE INDEX "orders_finished_at_id_idx" ON "orders"("finished_at", "id");

-- Whole, not of some statuses only: the client casts a status in a way that does not let PostgreSQL see which it is.
DROP INDEX "orders_not_finished_idx";
CREATE INDEX "orders_status_id_idx" ON "orders"("status", "id");
CREATE INDEX "orders_failure_code_idx" ON "orders" ("failure_code", "id") WHERE "failure_code" IS NOT NULL;

DROP INDEX "audit_entries_created_at_idx";
CREATE INDEX "audit_entries_created_at_id_idx" ON "audit_entries"("created_at", "id");

CREATE INDEX "devices_last_seen_at_id_idx" ON "devices"("last_seen_at", "id");

-- Addresses are found by how they begin, in whatever language the database sorts. The condition is always true, and follows
-- from a search by the value; Prisma's engine cannot read the operators of a whole index, and leaves a partial one alone.
CREATE INDEX "identities_beginning_idx" ON "identities" ("type", "value" text_pattern_ops) WHERE "value" IS NOT NULL;

-- Few among many.
CREATE INDEX "users_disabled_idx" ON "users" ("id") WHERE NOT "enabled";
CREATE INDEX "users_admins_idx" ON "users" ("id") WHERE "role" = 'ADMIN';
