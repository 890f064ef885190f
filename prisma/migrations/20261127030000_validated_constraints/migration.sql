-- Outside a transaction.
-- All rows satisfy these. Reading them blocks nothing.
ALTER TABLE "traffic_reports" VALIDATE CONSTRAINT "traffic_reports_refusal_reasons_check";

ALTER TABLE "user_subscriptions" VALIDATE CONSTRAINT "user_subscriptions_trial_traffic_check";
