-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- The clock of everything: PostgreSQL's, to the millisecond. tessera.clock_offset is set by tests only, e.g. '31 days'.
CREATE FUNCTION tessera_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT date_trunc('milliseconds', now())
    + coalesce(nullif(current_setting('tessera.clock_offset', true), ''), '0')::interval
$$;

-- The revision under which this transaction tells servers of its changes. What is served ends below
-- pg_snapshot_xmin(pg_current_snapshot()), so that a transaction still open is never skipped.
CREATE FUNCTION tessera_revision() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT pg_current_xact_id()::text::bigint
$$;

-- CreateEnum
CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN');

-- CreateEnum
CREATE TYPE "IdentityType" AS ENUM ('DEVICE', 'EMAIL');

-- CreateEnum
CREATE TYPE "DeviceLoginProof" AS ENUM ('REQUIRED', 'OPTIONAL');

-- CreateEnum
CREATE TYPE "KeyPurpose" AS ENUM ('SIGNING', 'TRANSPORT');

-- CreateEnum
CREATE TYPE "KeyStatus" AS ENUM ('CURRENT', 'PREVIOUS', 'RETIRED');

-- CreateEnum
CREATE TYPE "PlanStatus" AS ENUM ('ON_SALE', 'HIDDEN', 'WITHDRAWN');

-- CreateEnum
CREATE TYPE "ResetCycle" AS ENUM ('NEVER', 'MONTHLY_FIRST', 'MONTHLY_START_DAY', 'YEARLY');

-- CreateEnum
CREATE TYPE "UnitTime" AS ENUM ('DAY', 'MONTH', 'QUARTER', 'HALF_YEAR', 'YEAR');

-- CreateEnum
CREATE TYPE "OrderType" AS ENUM ('REDEMPTION');

-- CreateEnum
CREATE TYPE "OrderStatus" AS ENUM ('PAID', 'FINISHED', 'CLOSED', 'FAILED');

-- CreateEnum
CREATE TYPE "SubscriptionStatus" AS ENUM ('ACTIVE', 'EXHAUSTED', 'EXPIRED', 'STOPPED');

-- CreateEnum
CREATE TYPE "Protocol" AS ENUM ('SHADOWSOCKS', 'VMESS', 'VLESS', 'TROJAN', 'HYSTERIA2');

-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL,
    "role" "Role" NOT NULL DEFAULT 'USER',
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "merged_into_id" UUID,
    "deleted_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "identities" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "type" "IdentityType" NOT NULL,
    "value" TEXT NOT NULL,
    "password_hash" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "identities_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "devices" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "identity_id" UUID NOT NULL,
    "secret_hash" BYTEA,
    "public_key" JSONB,
    "key_thumbprint" TEXT,
    "name" TEXT,
    "platform" TEXT,
    "app_version" TEXT,
    "ip" INET,
    "user_agent" TEXT,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "last_seen_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "devices_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sessions" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "device_id" UUID,
    "refresh_seed" BYTEA NOT NULL,
    "refresh_generation" INTEGER NOT NULL DEFAULT 0,
    "ip" INET,
    "user_agent" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "sessions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "key_pairs" (
    "id" UUID NOT NULL,
    "kid" TEXT NOT NULL,
    "purpose" "KeyPurpose" NOT NULL,
    "status" "KeyStatus" NOT NULL,
    "algorithm" TEXT NOT NULL,
    "public_jwk" JSONB NOT NULL,
    "private_key_ciphertext" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "key_pairs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "link_codes" (
    "id" UUID NOT NULL,
    "code_hash" BYTEA NOT NULL,
    "user_id" UUID NOT NULL,
    "created_by_id" UUID NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "link_codes_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "pending_bindings" (
    "id" UUID NOT NULL,
    "token_hash" BYTEA NOT NULL,
    "user_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "pending_bindings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "device_stays" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "device_id" UUID,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "device_stays_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "plans" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "status" "PlanStatus" NOT NULL DEFAULT 'ON_SALE',
    "traffic_limit" BIGINT,
    "device_limit" INTEGER,
    "speed_limit" INTEGER,
    "quota" INTEGER,
    "reset_cycle" "ResetCycle" NOT NULL DEFAULT 'NEVER',
    "node_tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "version" INTEGER NOT NULL DEFAULT 1,
    "deleted_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "plans_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "plan_nodes" (
    "plan_id" UUID NOT NULL,
    "node_id" UUID NOT NULL,

    CONSTRAINT "plan_nodes_pkey" PRIMARY KEY ("plan_id","node_id")
);

-- CreateTable
CREATE TABLE "redemption_batches" (
    "id" UUID NOT NULL,
    "plan_id" UUID NOT NULL,
    "unit_time" "UnitTime" NOT NULL,
    "quantity" INTEGER NOT NULL,
    "max_uses" INTEGER,
    "count" INTEGER NOT NULL,
    "created" INTEGER NOT NULL DEFAULT 0,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "label" TEXT,
    "note" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "idempotency_key" TEXT,
    "created_by_id" UUID,
    "deleted_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "redemption_batches_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "redemption_codes" (
    "id" UUID NOT NULL,
    "batch_id" UUID NOT NULL,
    "lookup" BYTEA NOT NULL,
    "ciphertext" BYTEA NOT NULL,
    "hint" TEXT NOT NULL,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "max_uses" INTEGER,
    "used_count" INTEGER NOT NULL DEFAULT 0,
    "reserved_count" INTEGER NOT NULL DEFAULT 0,
    "expires_at" TIMESTAMPTZ(3),
    "note" TEXT,
    "version" INTEGER NOT NULL DEFAULT 1,
    "deleted_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "redemption_codes_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "orders" (
    "id" UUID NOT NULL,
    "order_no" TEXT NOT NULL,
    "type" "OrderType" NOT NULL DEFAULT 'REDEMPTION',
    "status" "OrderStatus" NOT NULL DEFAULT 'PAID',
    "redeemed_by_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "code_id" UUID NOT NULL,
    "batch_id" UUID NOT NULL,
    "plan_id" UUID NOT NULL,
    "unit_time" "UnitTime" NOT NULL,
    "quantity" INTEGER NOT NULL,
    "traffic_limit" BIGINT,
    "reset_cycle" "ResetCycle" NOT NULL,
    "code_hint" TEXT NOT NULL,
    "is_new" BOOLEAN NOT NULL DEFAULT false,
    "idempotency_key" TEXT,
    "failure_code" TEXT,
    "subscription_id" UUID,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "orders_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "redemptions" (
    "id" UUID NOT NULL,
    "order_id" UUID NOT NULL,
    "code_id" UUID NOT NULL,
    "batch_id" UUID NOT NULL,
    "redeemed_by_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "plan_id" UUID NOT NULL,
    "subscription_id" UUID NOT NULL,
    "code_hint" TEXT NOT NULL,
    "redeemed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "redemptions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "user_subscriptions" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "plan_id" UUID NOT NULL,
    "status" "SubscriptionStatus" NOT NULL DEFAULT 'ACTIVE',
    "is_trial" BOOLEAN NOT NULL DEFAULT false,
    "starts_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),
    "expires_at" TIMESTAMPTZ(3),
    "traffic_limit" BIGINT,
    "upload" BIGINT NOT NULL DEFAULT 0,
    "download" BIGINT NOT NULL DEFAULT 0,
    "reset_cycle" "ResetCycle" NOT NULL DEFAULT 'NEVER',
    "next_reset_at" TIMESTAMPTZ(3),
    "token" TEXT NOT NULL,
    "credential" UUID NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "revision" BIGINT NOT NULL DEFAULT tessera_revision(),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "user_subscriptions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "servers" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "country" TEXT NOT NULL DEFAULT '',
    "city" TEXT NOT NULL DEFAULT '',
    "latitude" DOUBLE PRECISION,
    "longitude" DOUBLE PRECISION,
    "token_hash" BYTEA NOT NULL,
    "last_seen_at" TIMESTAMPTZ(3),
    "confirmed_revision" BIGINT,
    "full_list_revision" BIGINT NOT NULL DEFAULT 0,
    "cpu" DOUBLE PRECISION,
    "memory" DOUBLE PRECISION,
    "disk" DOUBLE PRECISION,
    "agent_version" TEXT,
    "version" INTEGER NOT NULL DEFAULT 1,
    "deleted_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "servers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "nodes" (
    "id" UUID NOT NULL,
    "server_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "protocol" "Protocol" NOT NULL,
    "address" TEXT,
    "port" INTEGER NOT NULL,
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "ratio" DECIMAL(9,4) NOT NULL DEFAULT 1,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "sort" INTEGER NOT NULL DEFAULT 0,
    "client_config" JSONB NOT NULL,
    "server_config" JSONB,
    "version" INTEGER NOT NULL DEFAULT 1,
    "deleted_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "nodes_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "traffic_reports" (
    "server_id" UUID NOT NULL,
    "boot_id" UUID NOT NULL,
    "sequence" BIGINT NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "traffic_reports_pkey" PRIMARY KEY ("server_id","boot_id","sequence")
);

-- CreateTable
CREATE TABLE "ads" (
    "id" UUID NOT NULL,
    "type" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "content" TEXT NOT NULL,
    "target_url" TEXT,
    "start_at" TIMESTAMPTZ(3),
    "end_at" TIMESTAMPTZ(3),
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "ads_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "site_settings" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "name" TEXT NOT NULL DEFAULT 'Tessera',
    "description" TEXT NOT NULL DEFAULT '',
    "logo" TEXT,
    "keywords" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "custom_html" TEXT,
    "custom_data" JSONB NOT NULL DEFAULT '{}',
    "currency" TEXT NOT NULL DEFAULT 'USD',
    "registration_enabled" BOOLEAN NOT NULL DEFAULT true,
    "device_login_proof" "DeviceLoginProof" NOT NULL DEFAULT 'REQUIRED',
    "device_limit" INTEGER DEFAULT 5,
    "transport_encryption" BOOLEAN NOT NULL DEFAULT false,
    "trial_plan_id" UUID,
    "trial_unit_time" "UnitTime",
    "trial_quantity" INTEGER,
    "version" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "site_settings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_entries" (
    "id" UUID NOT NULL,
    "action" TEXT NOT NULL,
    "actor_id" UUID,
    "target_id" UUID,
    "before" JSONB,
    "after" JSONB,
    "request_id" TEXT,
    "ip" INET,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "audit_entries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "wrong_guesses" (
    "user_id" UUID NOT NULL,
    "day" DATE NOT NULL,
    "count" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "wrong_guesses_pkey" PRIMARY KEY ("user_id","day")
);

-- CreateTable
CREATE TABLE "job_runs" (
    "name" TEXT NOT NULL,
    "last_run_at" TIMESTAMPTZ(3),
    "progress" JSONB,

    CONSTRAINT "job_runs_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE INDEX "users_merged_into_id_idx" ON "users"("merged_into_id");

-- CreateIndex
CREATE INDEX "identities_user_id_idx" ON "identities"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "identities_type_value_key" ON "identities"("type", "value");

-- CreateIndex
CREATE UNIQUE INDEX "identities_id_user_id_key" ON "identities"("id", "user_id");

-- CreateIndex
CREATE INDEX "devices_user_id_id_idx" ON "devices"("user_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "devices_identity_id_user_id_key" ON "devices"("identity_id", "user_id");

-- CreateIndex
CREATE UNIQUE INDEX "devices_id_user_id_key" ON "devices"("id", "user_id");

-- CreateIndex
CREATE INDEX "sessions_user_id_id_idx" ON "sessions"("user_id", "id");

-- CreateIndex
CREATE INDEX "sessions_device_id_idx" ON "sessions"("device_id");

-- CreateIndex
CREATE INDEX "sessions_expires_at_idx" ON "sessions"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "key_pairs_kid_key" ON "key_pairs"("kid");

-- CreateIndex
CREATE UNIQUE INDEX "link_codes_code_hash_key" ON "link_codes"("code_hash");

-- CreateIndex
CREATE INDEX "link_codes_user_id_idx" ON "link_codes"("user_id");

-- CreateIndex
CREATE INDEX "link_codes_created_by_id_idx" ON "link_codes"("created_by_id");

-- CreateIndex
CREATE INDEX "link_codes_expires_at_idx" ON "link_codes"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "pending_bindings_token_hash_key" ON "pending_bindings"("token_hash");

-- CreateIndex
CREATE INDEX "pending_bindings_user_id_idx" ON "pending_bindings"("user_id");

-- CreateIndex
CREATE INDEX "pending_bindings_expires_at_idx" ON "pending_bindings"("expires_at");

-- CreateIndex
CREATE INDEX "device_stays_user_id_started_at_idx" ON "device_stays"("user_id", "started_at");

-- CreateIndex
CREATE INDEX "device_stays_device_id_idx" ON "device_stays"("device_id");

-- CreateIndex
CREATE INDEX "plan_nodes_node_id_idx" ON "plan_nodes"("node_id");

-- CreateIndex
CREATE UNIQUE INDEX "redemption_batches_idempotency_key_key" ON "redemption_batches"("idempotency_key");

-- CreateIndex
CREATE INDEX "redemption_batches_plan_id_idx" ON "redemption_batches"("plan_id");

-- CreateIndex
CREATE INDEX "redemption_batches_created_by_id_idx" ON "redemption_batches"("created_by_id");

-- CreateIndex
CREATE INDEX "redemption_codes_batch_id_id_idx" ON "redemption_codes"("batch_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "orders_order_no_key" ON "orders"("order_no");

-- CreateIndex
CREATE INDEX "orders_user_id_id_idx" ON "orders"("user_id", "id");

-- CreateIndex
CREATE INDEX "orders_code_id_idx" ON "orders"("code_id");

-- CreateIndex
CREATE INDEX "orders_created_at_idx" ON "orders"("created_at");

-- CreateIndex
CREATE UNIQUE INDEX "redemptions_order_id_key" ON "redemptions"("order_id");

-- CreateIndex
CREATE INDEX "redemptions_user_id_id_idx" ON "redemptions"("user_id", "id");

-- CreateIndex
CREATE INDEX "redemptions_code_id_idx" ON "redemptions"("code_id");

-- CreateIndex
CREATE INDEX "redemptions_batch_id_id_idx" ON "redemptions"("batch_id", "id");

-- CreateIndex
CREATE INDEX "redemptions_plan_id_id_idx" ON "redemptions"("plan_id", "id");

-- CreateIndex
CREATE INDEX "redemptions_redeemed_at_idx" ON "redemptions"("redeemed_at");

-- CreateIndex
CREATE UNIQUE INDEX "redemptions_redeemed_by_id_code_id_key" ON "redemptions"("redeemed_by_id", "code_id");

-- CreateIndex
CREATE UNIQUE INDEX "user_subscriptions_token_key" ON "user_subscriptions"("token");

-- CreateIndex
CREATE UNIQUE INDEX "user_subscriptions_credential_key" ON "user_subscriptions"("credential");

-- CreateIndex
CREATE INDEX "user_subscriptions_user_id_id_idx" ON "user_subscriptions"("user_id", "id");

-- CreateIndex
CREATE INDEX "user_subscriptions_plan_id_revision_id_idx" ON "user_subscriptions"("plan_id", "revision", "id");

-- CreateIndex
CREATE UNIQUE INDEX "servers_token_hash_key" ON "servers"("token_hash");

-- CreateIndex
CREATE INDEX "nodes_server_id_idx" ON "nodes"("server_id");

-- CreateIndex
CREATE INDEX "traffic_reports_received_at_idx" ON "traffic_reports"("received_at");

-- CreateIndex
CREATE INDEX "site_settings_trial_plan_id_idx" ON "site_settings"("trial_plan_id");

-- CreateIndex
CREATE INDEX "audit_entries_actor_id_id_idx" ON "audit_entries"("actor_id", "id");

-- CreateIndex
CREATE INDEX "audit_entries_target_id_id_idx" ON "audit_entries"("target_id", "id");

-- CreateIndex
CREATE INDEX "audit_entries_action_id_idx" ON "audit_entries"("action", "id");

-- CreateIndex
CREATE INDEX "audit_entries_created_at_idx" ON "audit_entries"("created_at");

-- AddForeignKey
ALTER TABLE "users" ADD CONSTRAINT "users_merged_into_id_fkey" FOREIGN KEY ("merged_into_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "identities" ADD CONSTRAINT "identities_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "devices" ADD CONSTRAINT "devices_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "devices" ADD CONSTRAINT "devices_identity_id_user_id_fkey" FOREIGN KEY ("identity_id", "user_id") REFERENCES "identities"("id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_device_id_user_id_fkey" FOREIGN KEY ("device_id", "user_id") REFERENCES "devices"("id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "link_codes" ADD CONSTRAINT "link_codes_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "link_codes" ADD CONSTRAINT "link_codes_created_by_id_fkey" FOREIGN KEY ("created_by_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "pending_bindings" ADD CONSTRAINT "pending_bindings_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "device_stays" ADD CONSTRAINT "device_stays_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "device_stays" ADD CONSTRAINT "device_stays_device_id_fkey" FOREIGN KEY ("device_id") REFERENCES "devices"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan_nodes" ADD CONSTRAINT "plan_nodes_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "plans"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "plan_nodes" ADD CONSTRAINT "plan_nodes_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "redemption_batches" ADD CONSTRAINT "redemption_batches_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "plans"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "redemption_batches" ADD CONSTRAINT "redemption_batches_created_by_id_fkey" FOREIGN KEY ("created_by_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "redemption_codes" ADD CONSTRAINT "redemption_codes_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "redemption_batches"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "orders" ADD CONSTRAINT "orders_redeemed_by_id_fkey" FOREIGN KEY ("redeemed_by_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "orders" ADD CONSTRAINT "orders_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "orders" ADD CONSTRAINT "orders_code_id_fkey" FOREIGN KEY ("code_id") REFERENCES "redemption_codes"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "orders" ADD CONSTRAINT "orders_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "redemption_batches"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "orders" ADD CONSTRAINT "orders_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "plans"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "orders" ADD CONSTRAINT "orders_subscription_id_fkey" FOREIGN KEY ("subscription_id") REFERENCES "user_subscriptions"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "redemptions" ADD CONSTRAINT "redemptions_order_id_fkey" FOREIGN KEY ("order_id") REFERENCES "orders"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "redemptions" ADD CONSTRAINT "redemptions_code_id_fkey" FOREIGN KEY ("code_id") REFERENCES "redemption_codes"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "redemptions" ADD CONSTRAINT "redemptions_batch_id_fkey" FOREIGN KEY ("batch_id") REFERENCES "redemption_batches"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "redemptions" ADD CONSTRAINT "redemptions_redeemed_by_id_fkey" FOREIGN KEY ("redeemed_by_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "redemptions" ADD CONSTRAINT "redemptions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "redemptions" ADD CONSTRAINT "redemptions_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "plans"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "redemptions" ADD CONSTRAINT "redemptions_subscription_id_fkey" FOREIGN KEY ("subscription_id") REFERENCES "user_subscriptions"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "user_subscriptions" ADD CONSTRAINT "user_subscriptions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "user_subscriptions" ADD CONSTRAINT "user_subscriptions_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "plans"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "nodes" ADD CONSTRAINT "nodes_server_id_fkey" FOREIGN KEY ("server_id") REFERENCES "servers"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "traffic_reports" ADD CONSTRAINT "traffic_reports_server_id_fkey" FOREIGN KEY ("server_id") REFERENCES "servers"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "site_settings" ADD CONSTRAINT "site_settings_trial_plan_id_fkey" FOREIGN KEY ("trial_plan_id") REFERENCES "plans"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "wrong_guesses" ADD CONSTRAINT "wrong_guesses_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What follows is written by hand: Prisma's schema cannot say it, and its engine leaves it alone.

-- Rows that are updated in place often; the free space keeps the new version on the same page and out of the indexes.
ALTER TABLE "redemption_codes" SET (fillfactor = 50);
ALTER TABLE "user_subscriptions" SET (fillfactor = 80);
ALTER TABLE "sessions" SET (fillfactor = 80);
ALTER TABLE "devices" SET (fillfactor = 80);

-- Checks

ALTER TABLE "users"
  ADD CONSTRAINT "users_merged_is_closed_check" CHECK ("merged_into_id" IS NULL OR "deleted_at" IS NOT NULL),
  ADD CONSTRAINT "users_not_merged_into_itself_check" CHECK ("merged_into_id" <> "id");

ALTER TABLE "identities"
  ADD CONSTRAINT "identities_password_check" CHECK (("type" = 'EMAIL') = ("password_hash" IS NOT NULL)),
  ADD CONSTRAINT "identities_email_check"
    CHECK ("type" <> 'EMAIL' OR ("value" = lower("value") AND char_length("value") BETWEEN 3 AND 254)),
  ADD CONSTRAINT "identities_identifier_check"
    CHECK ("type" <> 'DEVICE' OR char_length("value") BETWEEN 8 AND 128);

ALTER TABLE "devices"
  ADD CONSTRAINT "devices_one_proof_check" CHECK ("secret_hash" IS NULL OR "public_key" IS NULL),
  ADD CONSTRAINT "devices_secret_hash_check" CHECK (octet_length("secret_hash") = 32),
  ADD CONSTRAINT "devices_public_key_check" CHECK (jsonb_typeof("public_key") = 'object'),
  ADD CONSTRAINT "devices_key_thumbprint_check" CHECK (("public_key" IS NULL) = ("key_thumbprint" IS NULL));

ALTER TABLE "sessions"
  ADD CONSTRAINT "sessions_refresh_seed_check" CHECK (octet_length("refresh_seed") = 32),
  ADD CONSTRAINT "sessions_refresh_generation_check" CHECK ("refresh_generation" >= 0);

ALTER TABLE "link_codes"
  ADD CONSTRAINT "link_codes_code_hash_check" CHECK (octet_length("code_hash") = 32);

ALTER TABLE "pending_bindings"
  ADD CONSTRAINT "pending_bindings_token_hash_check" CHECK (octet_length("token_hash") = 32),
  ADD CONSTRAINT "pending_bindings_kind_check"
    CHECK ("kind" IN ('DEVICE_LIMIT_REACHED', 'DEVICE_BOUND_ELSEWHERE'));

ALTER TABLE "device_stays"
  ADD CONSTRAINT "device_stays_ends_after_start_check" CHECK ("ended_at" >= "started_at");

ALTER TABLE "plans"
  ADD CONSTRAINT "plans_name_check" CHECK (char_length("name") BETWEEN 1 AND 100),
  ADD CONSTRAINT "plans_traffic_limit_check" CHECK ("traffic_limit" >= 0),
  ADD CONSTRAINT "plans_device_limit_check" CHECK ("device_limit" >= 0),
  ADD CONSTRAINT "plans_speed_limit_check" CHECK ("speed_limit" > 0),
  ADD CONSTRAINT "plans_quota_check" CHECK ("quota" >= 0);

-- 36,500 units of any kind still end at a date that PostgreSQL and JavaScript can both write.
ALTER TABLE "redemption_batches"
  ADD CONSTRAINT "redemption_batches_quantity_check" CHECK ("quantity" BETWEEN 1 AND 36500),
  ADD CONSTRAINT "redemption_batches_max_uses_check" CHECK ("max_uses" > 0),
  ADD CONSTRAINT "redemption_batches_count_check" CHECK ("count" BETWEEN 1 AND 1000000),
  ADD CONSTRAINT "redemption_batches_created_check" CHECK ("created" BETWEEN 0 AND "count");

ALTER TABLE "redemption_codes"
  ADD CONSTRAINT "redemption_codes_lookup_check" CHECK (octet_length("lookup") = 32),
  ADD CONSTRAINT "redemption_codes_hint_check" CHECK (char_length("hint") = 4),
  ADD CONSTRAINT "redemption_codes_max_uses_check" CHECK ("max_uses" > 0),
  ADD CONSTRAINT "redemption_codes_used_count_check" CHECK ("used_count" >= 0),
  ADD CONSTRAINT "redemption_codes_reserved_count_check" CHECK ("reserved_count" >= 0),
  ADD CONSTRAINT "redemption_codes_within_max_uses_check" CHECK ("used_count" + "reserved_count" <= "max_uses");

ALTER TABLE "orders"
  ADD CONSTRAINT "orders_quantity_check" CHECK ("quantity" BETWEEN 1 AND 36500),
  ADD CONSTRAINT "orders_traffic_limit_check" CHECK ("traffic_limit" >= 0),
  ADD CONSTRAINT "orders_attempts_check" CHECK ("attempts" >= 0),
  ADD CONSTRAINT "orders_idempotency_key_check" CHECK (char_length("idempotency_key") BETWEEN 1 AND 64),
  ADD CONSTRAINT "orders_failed_has_reason_check" CHECK (("status" = 'FAILED') = ("failure_code" IS NOT NULL)),
  ADD CONSTRAINT "orders_failure_code_check" CHECK ("failure_code" IN
    ('CODE_ALREADY_REDEEMED', 'QUOTA_EXCEEDED', 'ACCOUNT_DISABLED', 'PLAN_NOT_AVAILABLE', 'ACTIVATION_FAILED')),
  ADD CONSTRAINT "orders_finished_has_subscription_check"
    CHECK (("status" = 'FINISHED') = ("subscription_id" IS NOT NULL)),
  ADD CONSTRAINT "orders_ended_has_time_check" CHECK (("status" = 'PAID') = ("finished_at" IS NULL)),
  ADD CONSTRAINT "orders_paid_has_next_attempt_check"
    CHECK (("status" = 'PAID') = ("next_attempt_at" IS NOT NULL)),
  ADD CONSTRAINT "orders_new_counts_check" CHECK (NOT "is_new" OR "status" IN ('PAID', 'FINISHED'));

ALTER TABLE "user_subscriptions"
  ADD CONSTRAINT "user_subscriptions_ends_after_start_check" CHECK ("expires_at" >= "starts_at"),
  ADD CONSTRAINT "user_subscriptions_traffic_limit_check" CHECK ("traffic_limit" >= 0),
  ADD CONSTRAINT "user_subscriptions_upload_check" CHECK ("upload" >= 0),
  ADD CONSTRAINT "user_subscriptions_download_check" CHECK ("download" >= 0),
  ADD CONSTRAINT "user_subscriptions_reset_check" CHECK (("reset_cycle" = 'NEVER') = ("next_reset_at" IS NULL)),
  ADD CONSTRAINT "user_subscriptions_exhausted_has_limit_check"
    CHECK ("status" <> 'EXHAUSTED' OR "traffic_limit" IS NOT NULL),
  ADD CONSTRAINT "user_subscriptions_expired_has_end_check"
    CHECK ("status" <> 'EXPIRED' OR "expires_at" IS NOT NULL);

ALTER TABLE "servers"
  ADD CONSTRAINT "servers_token_hash_check" CHECK (octet_length("token_hash") = 32),
  ADD CONSTRAINT "servers_latitude_check" CHECK ("latitude" BETWEEN -90 AND 90),
  ADD CONSTRAINT "servers_longitude_check" CHECK ("longitude" BETWEEN -180 AND 180);

-- BETWEEN keeps NaN out too, which PostgreSQL sorts above every number.
ALTER TABLE "nodes"
  ADD CONSTRAINT "nodes_port_check" CHECK ("port" BETWEEN 1 AND 65535),
  ADD CONSTRAINT "nodes_ratio_check" CHECK ("ratio" BETWEEN 0 AND 99999.9999),
  ADD CONSTRAINT "nodes_client_config_check" CHECK (jsonb_typeof("client_config") = 'object');

ALTER TABLE "traffic_reports"
  ADD CONSTRAINT "traffic_reports_sequence_check" CHECK ("sequence" >= 0);

ALTER TABLE "ads"
  ADD CONSTRAINT "ads_ends_after_start_check" CHECK ("end_at" > "start_at");

ALTER TABLE "site_settings"
  ADD CONSTRAINT "site_settings_one_row_check" CHECK ("id" = 1),
  ADD CONSTRAINT "site_settings_device_limit_check" CHECK ("device_limit" >= 0),
  ADD CONSTRAINT "site_settings_trial_check"
    CHECK (num_nulls("trial_plan_id", "trial_unit_time", "trial_quantity") IN (0, 3)),
  ADD CONSTRAINT "site_settings_trial_quantity_check" CHECK ("trial_quantity" BETWEEN 1 AND 36500);

ALTER TABLE "wrong_guesses"
  ADD CONSTRAINT "wrong_guesses_count_check" CHECK ("count" > 0);

-- At most one of a kind

CREATE UNIQUE INDEX "identities_one_email_key" ON "identities" ("user_id") WHERE "type" = 'EMAIL';
CREATE UNIQUE INDEX "sessions_one_per_device_key" ON "sessions" ("device_id") WHERE "revoked_at" IS NULL;
CREATE UNIQUE INDEX "key_pairs_one_current_key" ON "key_pairs" ("purpose") WHERE "status" = 'CURRENT';
CREATE UNIQUE INDEX "key_pairs_one_previous_key" ON "key_pairs" ("purpose") WHERE "status" = 'PREVIOUS';
CREATE UNIQUE INDEX "device_stays_one_open_key" ON "device_stays" ("device_id") WHERE "ended_at" IS NULL;
CREATE UNIQUE INDEX "redemption_codes_lookup_key" ON "redemption_codes" ("lookup") WHERE "deleted_at" IS NULL;
CREATE UNIQUE INDEX "orders_one_per_code_key" ON "orders" ("redeemed_by_id", "code_id")
  WHERE "status" IN ('PAID', 'FINISHED');
CREATE UNIQUE INDEX "orders_idempotency_key_key" ON "orders" ("redeemed_by_id", "idempotency_key")
  WHERE "idempotency_key" IS NOT NULL AND "status" <> 'CLOSED';
CREATE UNIQUE INDEX "orders_one_new_key" ON "orders" ("redeemed_by_id")
  WHERE "is_new" AND "status" IN ('PAID', 'FINISHED');
CREATE UNIQUE INDEX "user_subscriptions_one_live_key" ON "user_subscriptions" ("user_id", "plan_id")
  WHERE "status" IN ('ACTIVE', 'EXHAUSTED');

-- For the jobs, and for lists of the rare

CREATE INDEX "orders_due_idx" ON "orders" ("next_attempt_at") WHERE "status" = 'PAID';
CREATE INDEX "orders_not_finished_idx" ON "orders" ("status", "id") WHERE "status" <> 'FINISHED';
CREATE INDEX "user_subscriptions_expiring_idx" ON "user_subscriptions" ("expires_at")
  WHERE "status" IN ('ACTIVE', 'EXHAUSTED') AND "expires_at" IS NOT NULL;
CREATE INDEX "user_subscriptions_resetting_idx" ON "user_subscriptions" ("next_reset_at")
  WHERE "status" IN ('ACTIVE', 'EXHAUSTED') AND "next_reset_at" IS NOT NULL;

-- What may not change. The refusal carries the trigger's name as its constraint, in the sentence too: not every driver
-- hands the field on.
CREATE FUNCTION tessera_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% (constraint "%")', TG_ARGV[0], TG_NAME
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
END
$$;

CREATE TRIGGER "orders_status_transition" BEFORE UPDATE ON "orders" FOR EACH ROW
  WHEN (OLD."status" <> NEW."status" AND OLD."status" <> 'PAID'
    AND NOT (OLD."status" = 'FAILED' AND NEW."status" = 'PAID'))
  EXECUTE FUNCTION tessera_refuse('an order that has ended stays as it is, unless a failed one is accepted again');

CREATE TRIGGER "orders_origin_is_fixed" BEFORE UPDATE ON "orders" FOR EACH ROW
  WHEN ((OLD."order_no", OLD."redeemed_by_id", OLD."code_id")
    IS DISTINCT FROM (NEW."order_no", NEW."redeemed_by_id", NEW."code_id"))
  EXECUTE FUNCTION tessera_refuse('the number of an order, its redeemer and its code never change');

CREATE TRIGGER "redemptions_origin_is_fixed" BEFORE UPDATE ON "redemptions" FOR EACH ROW
  WHEN ((OLD."order_id", OLD."redeemed_by_id", OLD."code_id")
    IS DISTINCT FROM (NEW."order_id", NEW."redeemed_by_id", NEW."code_id"))
  EXECUTE FUNCTION tessera_refuse('the order of a redemption, its redeemer and its code never change');

CREATE TRIGGER "audit_entries_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_entries"
  FOR EACH STATEMENT EXECUTE FUNCTION tessera_refuse('audit entries are only ever added');

-- Whatever changes what servers are told about a subscription also tells them, in the same commit.
CREATE FUNCTION tessera_stamp_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.revision := tessera_revision();
  RETURN NEW;
END
$$;

CREATE TRIGGER "user_subscriptions_revision" BEFORE UPDATE ON "user_subscriptions" FOR EACH ROW
  WHEN ((OLD."user_id", OLD."plan_id", OLD."status", OLD."expires_at", OLD."credential")
    IS DISTINCT FROM (NEW."user_id", NEW."plan_id", NEW."status", NEW."expires_at", NEW."credential"))
  EXECUTE FUNCTION tessera_stamp_revision();

-- Locked first, by ascending id as everywhere: an UPDATE alone may meet the rows in another order.
CREATE FUNCTION tessera_stamp_subscriptions_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM id FROM user_subscriptions
    WHERE user_id = NEW.id AND status IN ('ACTIVE', 'EXHAUSTED') ORDER BY id FOR NO KEY UPDATE;
  UPDATE user_subscriptions SET revision = tessera_revision()
    WHERE user_id = NEW.id AND status IN ('ACTIVE', 'EXHAUSTED');
  RETURN NULL;
END
$$;

CREATE TRIGGER "users_revision" AFTER UPDATE ON "users" FOR EACH ROW
  WHEN (OLD."enabled" <> NEW."enabled" OR (OLD."deleted_at" IS NULL) <> (NEW."deleted_at" IS NULL))
  EXECUTE FUNCTION tessera_stamp_subscriptions_of_user();

-- The settings are always there.
INSERT INTO "site_settings" ("id") VALUES (1);
