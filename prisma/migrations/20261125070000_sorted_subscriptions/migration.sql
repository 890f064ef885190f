-- Admins see what ends next, however many there are.
CREATE INDEX "user_subscriptions_expires_at_id_idx" ON "user_subscriptions"("expires_at", "id");
