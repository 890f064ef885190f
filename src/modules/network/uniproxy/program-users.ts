import type { Services } from '../../../platform/services.ts';
import { confirmServerUsers } from '../agent/confirm-server-users.ts';
import { type ListedUser, type ListStates, readServerUsers } from '../agent/read-server-users.ts';
import type { NodeProgram } from './node-of-program.ts';
import { numbersOf } from './numbers.ts';

/** A user in the form of V2board's UniProxy, where 0 means unlimited. */
interface ProgramUser {
  id: number;
  uuid: string;
  speed_limit: number;
  device_limit: number;
}

export interface ProgramUsers {
  /** Names the revision of the list. A program that sends it back has applied the list. */
  etag: string;
  /** Null if the list is the one that the program has. */
  users: ProgramUser[] | null;
}

type UserServices = Pick<Services, 'db'> & { listStates: ListStates };

const PAGE = 10_000;
/** Proxies that compress make tags weak. */
const ETAG = /^(?:W\/)?"u(\d{1,19})"$/;

/**
 * Reads the whole list of users of a node, unless the program has it already; then the list counts
 * as confirmed.
 *
 * @param knownEtag of the list that the program has, if any
 * @throws PlatformError SERVICE_UNAVAILABLE while no complete list can be read: an empty one would
 *   disconnect all users
 */
export async function readProgramUsers(
  services: UserServices,
  { agent: { serverId }, nodeId, confirmedRevision }: NodeProgram,
  knownEtag: string | undefined,
): Promise<ProgramUsers> {
  const known = ETAG.exec(knownEtag ?? '')?.[1];
  if (
    known !== undefined &&
    (await isCurrent(services, { serverId, revision: BigInt(known), confirmedRevision }))
  ) {
    return { etag: `"u${known}"`, users: null };
  }
  const { revision, listed } = await readAll(services, serverId);
  const own = listed.filter(({ nodeIds, deviceLimit }) => nodeIds.includes(nodeId) && deviceLimit !== 0);
  const numbers = await numbersOf(
    services,
    own.map(({ subscriptionId }) => subscriptionId),
  );
  const users = own.flatMap(({ subscriptionId, credential, speedLimit, deviceLimit }) => {
    const id = numbers.get(subscriptionId);
    if (id === undefined) return [];
    return { id, uuid: credential, speed_limit: speedLimit ?? 0, device_limit: deviceLimit ?? 0 };
  });
  return { etag: `"u${revision}"`, users };
}

/** Whether nothing has changed since a revision, which is then confirmed. */
async function isCurrent(
  services: UserServices,
  {
    serverId,
    revision,
    confirmedRevision,
  }: { serverId: string; revision: bigint; confirmedRevision: bigint | null },
): Promise<boolean> {
  const sizeFor = () => 1;
  const delta = await readServerUsers(services, { serverId, since: revision, sizeFor });
  const isChanged = delta.full || delta.hasMore || delta.upserts.length + delta.removals.length > 0;
  if (!isChanged && revision !== confirmedRevision)
    await confirmServerUsers(services, { serverId, revision });
  return !isChanged;
}

async function readAll(
  services: UserServices,
  serverId: string,
): Promise<{ revision: bigint; listed: ListedUser[] }> {
  const listed = new Map<string, ListedUser>();
  let since: bigint | null = null;
  for (;;) {
    const delta = await readServerUsers(services, { serverId, since, sizeFor: () => PAGE });
    if (delta.full) listed.clear();
    for (const user of delta.upserts) listed.set(user.subscriptionId, user);
    for (const id of delta.removals) listed.delete(id);
    since = delta.revision;
    if (!delta.hasMore) return { revision: since, listed: [...listed.values()] };
  }
}
