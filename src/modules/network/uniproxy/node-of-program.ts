import { createReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import type { Services } from '../../../platform/services.ts';
import type { AgentCaller } from '../../kernel/caller.ts';
import { hashServerToken } from '../server/find-agent.ts';

/** A node program, and the node that it runs. */
export interface NodeProgram {
  agent: AgentCaller;
  nodeId: string;
  /** The list that the server's program or agent has confirmed. */
  confirmedRevision: bigint | null;
}

/**
 * Finds the node of a node program by the token of its server and the number of the node; null if
 * the token is unknown, or the node is not an enabled one of that server.
 */
export type NodePrograms = (login: { token: string; nodeNumber: string }) => Promise<NodeProgram | null>;

const Number31 = /^[1-9]\d{0,8}$/;

interface ProgramRow {
  tokenHash: string;
  number: number;
  serverId: string;
  nodeId: string;
  confirmedRevision: bigint | null;
}

/**
 * Call once per process. Programs ask every minute, many of them together: concurrent calls share a
 * statement. Nothing is cached, so a token that was rotated is refused immediately.
 */
export function createNodePrograms({ db }: Pick<Services, 'db'>): NodePrograms {
  const read = createReadCoalescer(async (keys) => {
    const logins = keys.map((key) => key.split(' '));
    const rows = await db.$queryRaw<ProgramRow[]>`
      SELECT l.token_hash AS "tokenHash", l.number, s.id::text AS "serverId", n.id::text AS "nodeId",
        s.confirmed_revision AS "confirmedRevision"
      FROM unnest(${logins.map(([hash]) => hash)}::text[], ${logins.map(([, number]) => Number(number))}::int[])
        AS l(token_hash, number)
      JOIN servers s ON s.token_hash = decode(l.token_hash, 'hex') AND s.deleted_at IS NULL
      JOIN node_numbers nn ON nn.number = l.number
      JOIN nodes n ON n.id = nn.node_id AND n.server_id = s.id AND n.enabled AND n.deleted_at IS NULL`;
    return new Map(rows.map((row) => [`${row.tokenHash} ${row.number}`, row]));
  });
  return async ({ token, nodeNumber }) => {
    if (token === '' || !Number31.test(nodeNumber)) return null;
    const tokenHash = Buffer.from(hashServerToken(token)).toString('hex');
    const row = await read(`${tokenHash} ${nodeNumber}`);
    if (!row) return null;
    const { serverId, nodeId, confirmedRevision } = row;
    return { agent: { kind: 'agent', serverId, tokenHash }, nodeId, confirmedRevision };
  };
}
