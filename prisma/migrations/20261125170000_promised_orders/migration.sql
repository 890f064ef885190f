-- AlterTable
ALTER TABLE "orders" ADD COLUMN     "is_promised" BOOLEAN NOT NULL DEFAULT false;

-- Checks

ALTER TABLE "orders"
  ADD CONSTRAINT "orders_promised_is_kept_check" CHECK (NOT "is_promised" OR "status" <> 'CLOSED');
