import { type Node, Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { toJson } from '../../../platform/database/sql-values.ts';
import { runSweep, SWEEP_ROWS } from '../../../platform/jobs/sweep.ts';
import { DecryptionError } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { lockNodeLists, SKIP_LOCKED } from '../../kernel/locks.ts';
import { openConfig, sealConfig, sealingKey } from '../protocols/private-config.ts';
import { sealNodeConfigsJob } from './seal-node-configs.job.ts';

type SealServices = Pick<Services, 'db' | 'log' | 'secrets'>;
type NodeRow = Pick<Node, 'id' | 'serverConfig'>;
type SealedRow = { id: string; serverConfig: ReturnType<typeof sealConfig> };

/**
 * Encrypts the agent's part of node configs that is stored in plaintext or under the previous
 * secret key. Neither the version of a node changes nor the lists of agents, because the config
 * stays the same.
 *
 * @param signal stops after the transaction in flight
 * @returns number of nodes whose config was encrypted
 */
export function sealNodeConfigs(services: SealServices, signal?: AbortSignal): Promise<number> {
  const chunk = (tx: Transaction) => sealDue(services, tx);
  return runSweep(services, { name: sealNodeConfigsJob.name, chunk }, signal);
}

async function sealDue(services: SealServices, tx: Transaction): Promise<SealedRow[]> {
  const key = sealingKey(services);
  const isDue = Prisma.sql`server_config ->> 'key' IS DISTINCT FROM ${key}
    AND server_config IS NOT NULL AND seals_configs_at <= tessera_now()`;
  const [found] = await tx.$queryRaw<[{ isDue: boolean }]>`
    SELECT EXISTS (SELECT FROM nodes, service_state WHERE ${isDue}) AS "isDue"`;
  if (!found.isDue) return [];
  await lockNodeLists(tx);
  const rows = await tx.$queryRaw<NodeRow[]>`
    SELECT id, server_config AS "serverConfig" FROM nodes
    WHERE id IN (SELECT nodes.id FROM nodes, service_state WHERE ${isDue} ORDER BY nodes.id LIMIT ${SWEEP_ROWS})
    ORDER BY id ${SKIP_LOCKED}`;
  const sealed = rows.flatMap((row) => seal(services, row));
  // The trigger that makes agents read their config again ignores these updates.
  await tx.$executeRaw`SELECT set_config('tessera.seals_configs', 'on', true)`;
  await tx.$executeRaw`
    UPDATE nodes SET server_config = v."serverConfig"
    FROM json_to_recordset(${toJson(sealed)}::json) AS v(id uuid, "serverConfig" jsonb) WHERE nodes.id = v.id`;
  return sealed;
}

/** @returns an empty list for a config that no configured key decrypts */
function seal(services: SealServices, row: NodeRow): SealedRow[] {
  try {
    const config = openConfig(services, row) as object;
    return [{ id: row.id, serverConfig: sealConfig(services, row.id, config) }];
  } catch (err) {
    if (!(err instanceof DecryptionError)) throw err;
    services.log.error({ err, nodeId: row.id }, 'failed to decrypt the private config of a node');
    return [];
  }
}
