-- AlterTable
ALTER TABLE "user_subscriptions" ADD COLUMN "absorbed_by_id" UUID;

-- AddForeignKey
ALTER TABLE "user_subscriptions" ADD CONSTRAINT "user_subscriptions_absorbed_by_id_fkey" FOREIGN KEY ("absorbed_by_id") REFERENCES "user_subscriptions"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- A merge looks for those that the absorbed subscription has absorbed.
CREATE INDEX "user_subscriptions_absorbed_idx" ON "user_subscriptions" ("absorbed_by_id") WHERE "absorbed_by_id" IS NOT NULL;
