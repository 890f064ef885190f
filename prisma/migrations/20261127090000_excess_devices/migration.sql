-- Which devices a server disconnects when a subscription is used from more than its plan allows.
CREATE TYPE "ExcessDevices" AS ENUM ('DISCONNECT_OLDEST', 'DISCONNECT_NEWEST');

ALTER TABLE "site_settings"
  ADD COLUMN "excess_devices" "ExcessDevices" NOT NULL DEFAULT 'DISCONNECT_OLDEST',
  ADD COLUMN "roaming_seconds" INTEGER NOT NULL DEFAULT 30,
  ADD CONSTRAINT "site_settings_roaming_seconds_check" CHECK (roaming_seconds BETWEEN 0 AND 600);
