-- While a process runs, its open stays count as confirmed, so that a heartbeat writes one row per
-- process instead of one per device. Stays of processes before this version have no process.
ALTER TABLE "device_stays" ADD COLUMN "process_id" UUID;

-- Kept after the end, so that the stays that a process left open end at that time.
ALTER TABLE "service_processes" ADD COLUMN "ended_at" TIMESTAMPTZ(3);
