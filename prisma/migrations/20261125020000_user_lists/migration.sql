-- What the lists of users that agents read rest on; docs/decisions/0017 tells why.

-- AlterTable
ALTER TABLE "user_subscriptions" ADD COLUMN "revised_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now();

-- AlterTable
ALTER TABLE "servers" ADD COLUMN "full_list_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "orders" ADD COLUMN "revision" BIGINT;

-- The last 20 bits of an id, which are random: subscriptions with one revision are listed in the order of this number.
CREATE FUNCTION tessera_bucket(id uuid) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT ((get_byte(uuid_send(id), 13) & 15) << 16) | (get_byte(uuid_send(id), 14) << 8) | get_byte(uuid_send(id), 15)
$$;

-- DropIndex
DROP INDEX "user_subscriptions_plan_id_revision_id_idx";

-- What has changed of a plan, in the order of the changes; and who has it, in the order in which lists are walked through.
CREATE INDEX "user_subscriptions_changed_idx" ON "user_subscriptions" ("plan_id", "revision", tessera_bucket("id"));
CREATE INDEX "user_subscriptions_listed_idx" ON "user_subscriptions" ("plan_id", tessera_bucket("id"))
  WHERE "status" = 'ACTIVE';

CREATE OR REPLACE FUNCTION tessera_stamp_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.revision := tessera_revision();
  NEW.revised_at := tessera_now();
  RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION tessera_stamp_subscriptions_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM id FROM user_subscriptions
    WHERE user_id = NEW.id AND status IN ('ACTIVE', 'EXHAUSTED') ORDER BY id FOR NO KEY UPDATE;
  UPDATE user_subscriptions SET revision = tessera_revision(), revised_at = tessera_now()
    WHERE user_id = NEW.id AND status IN ('ACTIVE', 'EXHAUSTED');
  RETURN NULL;
END
$$;

-- What changes the nodes of a plan changes the list of every server that has or had one of them: it is read anew.
-- The age of what an agent has not applied goes by the first such change that it has not confirmed.
CREATE FUNCTION tessera_renew_user_lists(server_ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM id FROM servers WHERE id = ANY(server_ids) ORDER BY id FOR NO KEY UPDATE;
  UPDATE servers SET
    full_list_at = CASE WHEN confirmed_revision >> 21 >= full_list_revision OR full_list_at IS NULL
      THEN tessera_now() ELSE full_list_at END,
    full_list_revision = tessera_revision()
  WHERE id = ANY(server_ids) AND full_list_revision <> tessera_revision();
END
$$;

CREATE FUNCTION tessera_renew_user_lists_of_node() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tessera_renew_user_lists(CASE TG_OP
    WHEN 'INSERT' THEN ARRAY[NEW.server_id]
    WHEN 'DELETE' THEN ARRAY[OLD.server_id]
    ELSE ARRAY[OLD.server_id, NEW.server_id] END);
  RETURN NULL;
END
$$;

CREATE TRIGGER "nodes_lists_added" AFTER INSERT OR DELETE ON "nodes" FOR EACH ROW
  EXECUTE FUNCTION tessera_renew_user_lists_of_node();

-- Its configuration too: an agent that reads its list anew reads its configuration again.
CREATE TRIGGER "nodes_lists_changed" AFTER UPDATE ON "nodes" FOR EACH ROW
  WHEN ((OLD."server_id", OLD."tags", OLD."enabled", OLD."deleted_at", OLD."protocol", OLD."address", OLD."port",
      OLD."client_config", OLD."server_config")
    IS DISTINCT FROM (NEW."server_id", NEW."tags", NEW."enabled", NEW."deleted_at", NEW."protocol", NEW."address",
      NEW."port", NEW."client_config", NEW."server_config"))
  EXECUTE FUNCTION tessera_renew_user_lists_of_node();

CREATE FUNCTION tessera_renew_user_lists_of_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tessera_renew_user_lists(ARRAY(
    SELECT DISTINCT n.server_id FROM nodes n
    WHERE n.deleted_at IS NULL AND (n.tags && (OLD.node_tags || NEW.node_tags)
      OR EXISTS (SELECT FROM plan_nodes l WHERE l.plan_id = NEW.id AND l.node_id = n.id))));
  RETURN NULL;
END
$$;

CREATE TRIGGER "plans_lists" AFTER UPDATE ON "plans" FOR EACH ROW
  WHEN ((OLD."node_tags", OLD."speed_limit", OLD."device_limit", OLD."deleted_at")
    IS DISTINCT FROM (NEW."node_tags", NEW."speed_limit", NEW."device_limit", NEW."deleted_at"))
  EXECUTE FUNCTION tessera_renew_user_lists_of_plan();

CREATE FUNCTION tessera_renew_user_lists_of_plan_nodes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tessera_renew_user_lists(ARRAY(
    SELECT DISTINCT n.server_id FROM changed c JOIN nodes n ON n.id = c.node_id));
  RETURN NULL;
END
$$;

CREATE TRIGGER "plan_nodes_lists_added" AFTER INSERT ON "plan_nodes" REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION tessera_renew_user_lists_of_plan_nodes();
CREATE TRIGGER "plan_nodes_lists_removed" AFTER DELETE ON "plan_nodes" REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION tessera_renew_user_lists_of_plan_nodes();
