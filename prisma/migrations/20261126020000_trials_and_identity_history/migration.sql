-- AlterTable
ALTER TABLE "users" ADD COLUMN     "had_trial" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "user_subscriptions" ADD COLUMN     "trial_ends_at" TIMESTAMPTZ(3),
ADD COLUMN     "trial_traffic" BIGINT NOT NULL DEFAULT 0;

-- NOT VALID: checking it would read the whole table under an exclusive lock, and every row has the
-- default. Subscriptions that are nothing but a trial need no update, because is_trial says so. Those
-- that were extended before this migration have lost the flag, and with it what came from the trial.
ALTER TABLE "user_subscriptions"
  ADD CONSTRAINT "user_subscriptions_trial_traffic_check" CHECK ("trial_traffic" >= 0) NOT VALID;

-- CreateTable
CREATE TABLE "identity_history" (
    "key_hash" BYTEA NOT NULL,
    "user_id" UUID NOT NULL,
    "left_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "identity_history_pkey" PRIMARY KEY ("key_hash")
);

-- CreateTable
CREATE TABLE "inherited_redemptions" (
    "user_id" UUID NOT NULL,
    "code_id" UUID NOT NULL,
    "order_id" UUID NOT NULL,

    CONSTRAINT "inherited_redemptions_pkey" PRIMARY KEY ("user_id","code_id","order_id")
);

-- AddForeignKey
ALTER TABLE "identity_history" ADD CONSTRAINT "identity_history_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "inherited_redemptions" ADD CONSTRAINT "inherited_redemptions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "inherited_redemptions" ADD CONSTRAINT "inherited_redemptions_code_id_fkey" FOREIGN KEY ("code_id") REFERENCES "redemption_codes"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "inherited_redemptions" ADD CONSTRAINT "inherited_redemptions_order_id_fkey" FOREIGN KEY ("order_id") REFERENCES "orders"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- A keyed hash has 32 bytes.
ALTER TABLE "identity_history"
  ADD CONSTRAINT "identity_history_key_hash_check" CHECK (octet_length("key_hash") = 32);
