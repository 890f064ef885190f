-- Node programs of the V2board family know nodes and users by whole numbers. A number is assigned
-- when one of them first needs it, so no large table has to be rewritten.
CREATE TABLE "node_numbers" (
    "number" SERIAL NOT NULL,
    "node_id" UUID NOT NULL,

    CONSTRAINT "node_numbers_pkey" PRIMARY KEY ("number")
);

CREATE UNIQUE INDEX "node_numbers_node_id_key" ON "node_numbers"("node_id");

ALTER TABLE "node_numbers" ADD CONSTRAINT "node_numbers_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

CREATE TABLE "subscription_numbers" (
    "number" SERIAL NOT NULL,
    "subscription_id" UUID NOT NULL,

    CONSTRAINT "subscription_numbers_pkey" PRIMARY KEY ("number")
);

CREATE UNIQUE INDEX "subscription_numbers_subscription_id_key" ON "subscription_numbers"("subscription_id");

ALTER TABLE "subscription_numbers" ADD CONSTRAINT "subscription_numbers_subscription_id_fkey" FOREIGN KEY ("subscription_id") REFERENCES "user_subscriptions"("id") ON DELETE CASCADE ON UPDATE CASCADE;
