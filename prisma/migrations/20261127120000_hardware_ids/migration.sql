-- A device that proxy clients declare when they read a subscription link.
ALTER TYPE "IdentityType" ADD VALUE IF NOT EXISTS 'HARDWARE';

CREATE TYPE "HardwareIds" AS ENUM ('OFF', 'OPTIONAL', 'REQUIRED');

ALTER TABLE "site_settings" ADD COLUMN "hardware_ids" "HardwareIds" NOT NULL DEFAULT 'OFF';
