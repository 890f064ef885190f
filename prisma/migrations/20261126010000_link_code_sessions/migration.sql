-- AlterTable
ALTER TABLE "link_codes" ADD COLUMN     "session_id" UUID;

-- CreateIndex
CREATE INDEX "link_codes_session_id_idx" ON "link_codes"("session_id");

-- AddForeignKey
-- Added without validation and validated afterwards, so that logins wait only for the first of the
-- two statements, which reads no rows. Both tables keep their rows for 30 days at most.
ALTER TABLE "link_codes" ADD CONSTRAINT "link_codes_session_id_fkey" FOREIGN KEY ("session_id") REFERENCES "sessions"("id") ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
ALTER TABLE "link_codes" VALIDATE CONSTRAINT "link_codes_session_id_fkey";
