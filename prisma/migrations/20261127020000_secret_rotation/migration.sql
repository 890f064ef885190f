-- AlterTable
ALTER TABLE "service_state" ADD COLUMN "previous_fingerprint" BYTEA, ADD COLUMN "secret_rotated_at" TIMESTAMPTZ(3),
  ADD COLUMN "resealed_code_id" UUID, ADD COLUMN "resealed_codes" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "service_processes" (
    "id" UUID NOT NULL,
    "role" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "pid" INTEGER NOT NULL,
    "version" TEXT NOT NULL,
    "secret_fingerprints" BYTEA[],
    "seals_with" BYTEA NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "service_processes_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "retained_mac_keys" (
    "id" UUID NOT NULL,
    "purpose" TEXT NOT NULL,
    "key_ciphertext" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "retained_mac_keys_pkey" PRIMARY KEY ("id")
);
