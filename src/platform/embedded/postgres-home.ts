import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readPrivate, writePrivate } from './data-dir.ts';
import { EmbeddedError } from './embedded-error.ts';
import { type Account, canEnter } from './postgres-account.ts';
import { endProcess, worksIn } from './processes.ts';

/** Location of files if PostgreSQL's user has no access to DATA_DIR. */
export const SHARED_HOME = '/var/lib/tessera';

/** The data needed to connect to a cluster. */
export interface Connection {
  /** Of the superuser. */
  password: string;
  /** Of the service's role; undefined if only version 0.1 has run on the cluster. */
  servicePassword?: string | undefined;
  /** Port of the previous run. */
  readonly port?: number | undefined;
}

/** Location of a cluster, and the data needed to connect to it. */
export interface PostgresHome extends Connection {
  /** Owned by PostgreSQL's account. */
  directory: string;
  /** Data directory of the cluster; may not exist yet. */
  cluster: string;
  servicePassword: string;
  /** Stores the port for this and later runs. */
  savePort(port: number): void;
}

interface Marker extends Connection {
  id: string;
  port?: number;
}

/**
 * Opens or creates the home of DATA_DIR's cluster: in DATA_DIR, or in /var/lib/tessera if the
 * account has no access to it. The marker `postgres.json` in DATA_DIR links the two. Files
 * elsewhere that don't match it belong to a deleted DATA_DIR, and are deleted.
 *
 * @throws EmbeddedError if DATA_DIR has a cluster but no marker
 */
export async function openPostgresHome(dataDir: string, account: Account): Promise<PostgresHome> {
  const isInside = canEnter(account, dataDir);
  const directory = isInside ? join(dataDir, 'postgres') : join(SHARED_HOME, hash(dataDir));
  const cluster = join(directory, 'cluster');
  const file = markerFile(dataDir);
  const marker = readMarker(file);
  if (marker && readPrivate(join(directory, 'id')) === marker.id) {
    return home(directory, file, withServicePassword(file, marker));
  }
  if (isInside && !marker && existsSync(cluster)) {
    throw new EmbeddedError(
      `${file} is missing, and with it the password of ${cluster}. Restore it, or delete ${dataDir}.`,
    );
  }
  await clear(directory, cluster);
  const newMarker = withServicePassword(file, { id: randomUUID(), password: randomPassword() });
  makeDirectory(directory, account);
  writePrivate(join(directory, 'id'), newMarker.id);
  return home(directory, file, newMarker);
}

const randomPassword = () => randomBytes(24).toString('base64url');

/** Stored before the role is created, so that no role has a password that is lost. */
function withServicePassword(file: string, marker: Marker): Marker & { servicePassword: string } {
  const { servicePassword = randomPassword() } = marker;
  const complete = { ...marker, servicePassword };
  if (marker.servicePassword === undefined) writePrivate(file, JSON.stringify(complete));
  return complete;
}

function home(directory: string, file: string, marker: Marker & { servicePassword: string }): PostgresHome {
  return {
    directory,
    cluster: join(directory, 'cluster'),
    password: marker.password,
    servicePassword: marker.servicePassword,
    get port() {
      return marker.port;
    },
    savePort(port) {
      marker.port = port;
      writePrivate(file, JSON.stringify(marker));
    },
  };
}

/** Path of the marker in DATA_DIR. It exists once a cluster has been created. */
export const markerFile = (dataDir: string) => join(dataDir, 'postgres.json');

/**
 * Reads how to connect to the cluster of a running process; undefined if DATA_DIR has no cluster.
 */
export function readConnection(dataDir: string): Connection | undefined {
  return readMarker(markerFile(dataDir));
}

function readMarker(file: string): Marker | undefined {
  const text = readPrivate(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Marker;
  } catch (cause) {
    throw new EmbeddedError(`${file} is damaged, and with it the password of the database. Restore it.`, {
      cause,
    });
  }
}

/** Stops a server that still writes to the files, then deletes them. */
async function clear(directory: string, cluster: string): Promise<void> {
  const pid = Number(readPrivate(join(cluster, 'postmaster.pid'))?.split('\n')[0]);
  if (worksIn(pid, cluster))
    await endProcess(pid, [
      ['SIGQUIT', 5000],
      ['SIGKILL', 1000],
    ]);
  rmSync(directory, { recursive: true, force: true });
}

function makeDirectory(directory: string, { ids, isOther: other }: Account): void {
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  chmodSync(directory, 0o700);
  if (other && ids.uid !== undefined && ids.gid !== undefined) chownSync(directory, ids.uid, ids.gid);
}

function hash(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 16);
}
