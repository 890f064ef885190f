-- AlterTable
ALTER TABLE "traffic_reports" ADD COLUMN     "refusal_reasons" BYTEA;

-- Two bits for each of at most 5,000 entries. NOT VALID: existing rows have none, and are not scanned.
ALTER TABLE "traffic_reports"
  ADD CONSTRAINT "traffic_reports_refusal_reasons_check" CHECK (octet_length("refusal_reasons") <= 1250) NOT VALID;
