-- Nodes that left a plan or a server. An agent reports their traffic for as long as it cannot know.

-- CreateTable
CREATE TABLE "node_departures" (
    "server_id" UUID NOT NULL,
    "node_id" UUID NOT NULL,
    "plan_id" UUID NOT NULL,
    "left_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "node_departures_pkey" PRIMARY KEY ("server_id","node_id","plan_id")
);

-- CreateIndex
CREATE INDEX "node_departures_node_id_idx" ON "node_departures"("node_id");

-- CreateIndex
CREATE INDEX "node_departures_plan_id_idx" ON "node_departures"("plan_id");

-- AddForeignKey
ALTER TABLE "node_departures" ADD CONSTRAINT "node_departures_server_id_fkey" FOREIGN KEY ("server_id") REFERENCES "servers"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_departures" ADD CONSTRAINT "node_departures_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "node_departures" ADD CONSTRAINT "node_departures_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "plans"("id") ON DELETE CASCADE ON UPDATE CASCADE;

CREATE FUNCTION tessera_is_node_of_plan(node nodes, plan plans) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT node.tags && plan.node_tags
    OR EXISTS (SELECT FROM plan_nodes pn WHERE pn.plan_id = plan.id AND pn.node_id = node.id)
$$;

CREATE FUNCTION tessera_record_departures_of_node() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO node_departures (server_id, node_id, plan_id)
    SELECT OLD.server_id, OLD.id, p.id FROM plans p
    WHERE tessera_is_node_of_plan(OLD, p)
      AND (OLD.server_id <> NEW.server_id OR NOT tessera_is_node_of_plan(NEW, p))
    ON CONFLICT (server_id, node_id, plan_id) DO UPDATE SET left_at = excluded.left_at;
  RETURN NULL;
END
$$;

CREATE TRIGGER "nodes_departures" AFTER UPDATE ON "nodes" FOR EACH ROW
  WHEN ((OLD."server_id", OLD."tags") IS DISTINCT FROM (NEW."server_id", NEW."tags"))
  EXECUTE FUNCTION tessera_record_departures_of_node();

CREATE FUNCTION tessera_record_departures_of_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO node_departures (server_id, node_id, plan_id)
    SELECT n.server_id, n.id, NEW.id FROM nodes n
    WHERE n.tags && OLD.node_tags AND NOT tessera_is_node_of_plan(n, NEW)
    ON CONFLICT (server_id, node_id, plan_id) DO UPDATE SET left_at = excluded.left_at;
  RETURN NULL;
END
$$;

CREATE TRIGGER "plans_departures" AFTER UPDATE ON "plans" FOR EACH ROW
  WHEN (OLD."node_tags" IS DISTINCT FROM NEW."node_tags")
  EXECUTE FUNCTION tessera_record_departures_of_plan();

CREATE FUNCTION tessera_record_departures_of_plan_nodes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO node_departures (server_id, node_id, plan_id)
    SELECT n.server_id, n.id, p.id FROM removed r
      JOIN nodes n ON n.id = r.node_id JOIN plans p ON p.id = r.plan_id
    WHERE NOT tessera_is_node_of_plan(n, p)
    ON CONFLICT (server_id, node_id, plan_id) DO UPDATE SET left_at = excluded.left_at;
  RETURN NULL;
END
$$;

CREATE TRIGGER "plan_nodes_departures" AFTER DELETE ON "plan_nodes" REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION tessera_record_departures_of_plan_nodes();
