-- The label that an app may give its device at registration: shown in lists, searched by admins, exactly or by prefix.
ALTER TABLE "devices" ADD COLUMN "short_code" TEXT;

ALTER TABLE "devices"
  ADD CONSTRAINT "devices_short_code_check" CHECK (char_length("short_code") BETWEEN 1 AND 32);

CREATE INDEX "devices_short_code_idx" ON "devices" ("short_code" text_pattern_ops) WHERE "short_code" IS NOT NULL;
