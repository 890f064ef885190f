-- CreateTable
CREATE TABLE "spent_nonces" (
    "nonce" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "spent_nonces_pkey" PRIMARY KEY ("nonce")
);

-- CreateIndex
CREATE INDEX "spent_nonces_expires_at_idx" ON "spent_nonces"("expires_at");
