-- AlterTable
ALTER TABLE "plans" ADD COLUMN "node_list_version" INTEGER NOT NULL DEFAULT 1;

-- What follows is written by hand: Prisma's schema cannot say it, and its engine leaves it alone.

-- The list of nodes that a plan's users see is decided by four tables. Whoever changes one of them, in whatever way,
-- changes the version of every plan concerned, in the same commit. So two lists of one plan with the same version are
-- the same list, and a cached one can be told from an old one by its version alone.
--
-- For that, changes go one after another: a node that gets a tag and a plan that gets the same tag at the same time
-- would not see each other. The lock is taken before any row's, or two changes might wait for each other.
CREATE FUNCTION tessera_lock_node_lists() RETURNS void LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(hashtext('tessera'), hashtext('node lists'))
$$;

CREATE FUNCTION tessera_lock_node_lists_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tessera_lock_node_lists();
  RETURN NULL;
END
$$;

CREATE TRIGGER "nodes_lock_node_lists" BEFORE INSERT OR UPDATE OR DELETE ON "nodes"
  FOR EACH STATEMENT EXECUTE FUNCTION tessera_lock_node_lists_first();
CREATE TRIGGER "plan_nodes_lock_node_lists" BEFORE INSERT OR UPDATE OR DELETE ON "plan_nodes"
  FOR EACH STATEMENT EXECUTE FUNCTION tessera_lock_node_lists_first();
CREATE TRIGGER "plans_lock_node_lists" BEFORE UPDATE OF "node_tags" ON "plans"
  FOR EACH STATEMENT EXECUTE FUNCTION tessera_lock_node_lists_first();
-- Not when an agent says that it is there.
CREATE TRIGGER "servers_lock_node_lists"
  BEFORE UPDATE OF "address", "country", "city", "latitude", "longitude", "deleted_at" ON "servers"
  FOR EACH STATEMENT EXECUTE FUNCTION tessera_lock_node_lists_first();

CREATE FUNCTION tessera_renew_node_lists(plan_ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM id FROM plans WHERE id = ANY(plan_ids) ORDER BY id FOR NO KEY UPDATE;
  UPDATE plans SET node_list_version = node_list_version + 1 WHERE id = ANY(plan_ids);
END
$$;

CREATE FUNCTION tessera_renew_lists_of_node() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tessera_renew_node_lists(ARRAY(
    SELECT id FROM plans p
    WHERE p.node_tags && (coalesce(OLD.tags, '{}') || coalesce(NEW.tags, '{}'))
      OR EXISTS (SELECT FROM plan_nodes WHERE plan_id = p.id AND node_id IN (OLD.id, NEW.id))));
  RETURN NULL;
END
$$;

CREATE TRIGGER "nodes_renew_node_lists" AFTER INSERT OR DELETE ON "nodes"
  FOR EACH ROW EXECUTE FUNCTION tessera_renew_lists_of_node();
-- Not for what only agents and admins see.
CREATE TRIGGER "nodes_change_node_lists" AFTER UPDATE ON "nodes" FOR EACH ROW
  WHEN ((OLD."server_id", OLD."name", OLD."protocol", OLD."address", OLD."port", OLD."tags", OLD."enabled", OLD."sort",
      OLD."client_config", OLD."deleted_at")
    IS DISTINCT FROM (NEW."server_id", NEW."name", NEW."protocol", NEW."address", NEW."port", NEW."tags", NEW."enabled",
      NEW."sort", NEW."client_config", NEW."deleted_at"))
  EXECUTE FUNCTION tessera_renew_lists_of_node();

CREATE FUNCTION tessera_renew_lists_of_server() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tessera_renew_node_lists(ARRAY(
    SELECT id FROM plans p WHERE EXISTS (
      SELECT FROM nodes n WHERE n.server_id = NEW.id AND (n.tags && p.node_tags
        OR EXISTS (SELECT FROM plan_nodes WHERE plan_id = p.id AND node_id = n.id)))));
  RETURN NULL;
END
$$;

CREATE TRIGGER "servers_renew_node_lists" AFTER UPDATE ON "servers" FOR EACH ROW
  WHEN ((OLD."address", OLD."country", OLD."city", OLD."latitude", OLD."longitude", OLD."deleted_at")
    IS DISTINCT FROM (NEW."address", NEW."country", NEW."city", NEW."latitude", NEW."longitude", NEW."deleted_at"))
  EXECUTE FUNCTION tessera_renew_lists_of_server();

CREATE FUNCTION tessera_renew_list_of_plan_node() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tessera_renew_node_lists(ARRAY[OLD.plan_id, NEW.plan_id]);
  RETURN NULL;
END
$$;

CREATE TRIGGER "plan_nodes_renew_node_lists" AFTER INSERT OR UPDATE OR DELETE ON "plan_nodes"
  FOR EACH ROW EXECUTE FUNCTION tessera_renew_list_of_plan_node();

CREATE FUNCTION tessera_renew_own_node_list() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.node_list_version := OLD.node_list_version + 1;
  RETURN NEW;
END
$$;

CREATE TRIGGER "plans_renew_node_list" BEFORE UPDATE ON "plans" FOR EACH ROW
  WHEN (OLD."node_tags" IS DISTINCT FROM NEW."node_tags")
  EXECUTE FUNCTION tessera_renew_own_node_list();
