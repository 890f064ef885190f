import { createHash } from 'node:crypto';
import { z } from 'zod';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { reportServerStatus } from '../agent/report-server-status.ts';
import { type OnlineServices, reportOnline } from '../online/report-online.ts';
import { reportTraffic } from '../traffic/report-traffic.ts';
import type { NodeProgram } from './node-of-program.ts';
import { subscriptionsNumbered } from './numbers.ts';

type ReportServices = Pick<Services, 'db' | 'log' | 'pubSub' | 'redis'> & OnlineServices;

const MAX_ENTRIES = 5_000;
const Key = z.string().regex(/^[1-9]\d{0,8}$/, 'must be the number of a user');
const Bytes = z.number().int('must be whole').min(0, 'must not be negative');
const atMost = (record: object) => Object.keys(record).length <= MAX_ENTRIES;
const TOO_MANY = `must have at most ${MAX_ENTRIES} entries`;

const Push = z.record(Key, z.tuple([Bytes, Bytes])).refine(atMost, TOO_MANY);
const Alive = z.record(Key, z.array(z.string().max(100)).max(500)).refine(atMost, TOO_MANY);
const Part = z.object({ total: z.number().min(0), used: z.number().min(0) });
const Status = z.object({ cpu: z.number().min(0), mem: Part, disk: Part });

/** A program repeats a report that it believes lost within this time. */
const REPEATED_WITHIN_SECONDS = 30;

/**
 * Counts the traffic that a node program reports. The protocol has no id of reports: one that is
 * equal to another of the last 30 s is the same.
 *
 * @returns the number of users that were not counted
 * @throws PlatformError BAD_USER_INPUT: nothing is counted
 */
export async function reportProgramTraffic(
  services: ReportServices,
  { agent: { serverId }, nodeId }: NodeProgram,
  body: unknown,
): Promise<{ refused: number }> {
  const push = checkInput(Push, body, 'body');
  const numbers = Object.keys(push).map(Number);
  if (numbers.length === 0) return { refused: 0 };
  const bootId = uuidOf(`${nodeId} ${JSON.stringify(push)}`);
  const [recent] = await services.db.$queryRaw<{ window: bigint; isRepeated: boolean }[]>`
    SELECT floor(extract(epoch FROM tessera_now()) / ${REPEATED_WITHIN_SECONDS}::int)::bigint AS window,
      EXISTS (SELECT FROM traffic_reports WHERE server_id = ${serverId}::uuid AND boot_id = ${bootId}::uuid
        AND received_at > tessera_now() - ${REPEATED_WITHIN_SECONDS}::int * interval '1 second') AS "isRepeated"`;
  if (!recent || recent.isRepeated) return { refused: 0 };
  const ids = await subscriptionsNumbered(services, numbers);
  const entries = Object.entries(push).flatMap(([number, [upload, download]]) => {
    const subscriptionId = ids.get(Number(number));
    if (subscriptionId === undefined) return [];
    return { nodeId, subscriptionId, upload: BigInt(upload), download: BigInt(download) };
  });
  const input = { bootId, sequence: recent.window, entries };
  const { refusals } = await reportTraffic(services, { serverId, input });
  return { refused: numbers.length - entries.length + refusals.length };
}

function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex').slice(0, 32);
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-8$3-8$4-$5');
}

/**
 * Stores which users are connected to a node, with their addresses: `203.0.113.7_12`, where 12 is
 * the number of the node.
 *
 * @throws PlatformError BAD_USER_INPUT
 */
export async function reportProgramOnline(
  services: ReportServices,
  { agent: { serverId } }: NodeProgram,
  body: unknown,
): Promise<void> {
  const alive = checkInput(Alive, body, 'body');
  const ids = await subscriptionsNumbered(services, Object.keys(alive).map(Number));
  const entries = Object.entries(alive).flatMap(([number, addresses]) => {
    const subscriptionId = ids.get(Number(number));
    const ips = addresses.map((address) => address.replace(/_\d+$/, ''));
    return subscriptionId === undefined ? [] : { subscriptionId, ips };
  });
  const ofServer = await services.db.node.count({ where: { serverId, enabled: true, deletedAt: null } });
  // The other nodes of the server report for themselves.
  const part = ofServer > 1 ? 1 : 0;
  await reportOnline(services, { serverId, input: { part, entries } });
}

/** Stores the load of the server. @throws PlatformError BAD_USER_INPUT */
export async function reportProgramStatus(
  services: Pick<Services, 'db'>,
  { agent: { serverId } }: NodeProgram,
  body: unknown,
): Promise<void> {
  const { cpu, mem, disk } = checkInput(Status, body, 'body');
  const share = ({ used, total }: z.output<typeof Part>) => (total === 0 ? 0 : Math.min(1, used / total));
  // Percent.
  const input = { cpu: Math.min(1, cpu / 100), memory: share(mem), disk: share(disk), version: 'UniProxy' };
  await reportServerStatus(services, { serverId, input });
}
