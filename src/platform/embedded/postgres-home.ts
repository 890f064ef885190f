import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readPrivate, writePrivate } from './data-dir.ts';
import { EmbeddedError } from './embedded-error.ts';
import { type Account, canEnter } from './postgres-account.ts';
import { endProcess, worksIn } from './processes.ts';

/** Where PostgreSQL's own user finds files when DATA_DIR lies below a directory closed to it. */
export const SHARED_HOME = '/var/lib/tessera';

/** Where a cluster lives, and what is needed to reach it. */
export interface PostgresHome {
  /** Belongs to PostgreSQL's account. */
  directory: string;
  /** The cluster itself; it may not be there yet. */
  cluster: string;
  password: string;
  /** The port of last time. */
  readonly port: number | undefined;
  /** From now on this is the port, also next time. */
  keepPort(port: number): void;
}

interface Marker {
  id: string;
  password: string;
  port?: number;
}

/**
 * The home of DATA_DIR's cluster. It lies in DATA_DIR, or below /var/lib/tessera where the account may not enter that.
 * DATA_DIR keeps the marker `postgres.json`; files elsewhere that do not fit it were left behind by a deleted DATA_DIR,
 * and are deleted.
 *
 * @throws EmbeddedError when there is a cluster in DATA_DIR whose marker is lost
 */
export async function openPostgresHome(dataDir: string, account: Account): Promise<PostgresHome> {
  const inside = canEnter(account, dataDir);
  const directory = inside ? join(dataDir, 'postgres') : join(SHARED_HOME, hash(dataDir));
  const cluster = join(directory, 'cluster');
  const file = markerFile(dataDir);
  const kept = readMarker(file);
  if (kept && readPrivate(join(directory, 'id')) === kept.id) return home(directory, file, kept);
  if (inside && !kept && existsSync(cluster)) {
    throw new EmbeddedError(
      `${file} is missing, and with it the password of ${cluster}. Restore it, or delete ${dataDir}.`,
    );
  }
  await clear(directory, cluster);
  const made: Marker = { id: randomUUID(), password: randomBytes(24).toString('base64url') };
  writePrivate(file, JSON.stringify(made));
  makeDirectory(directory, account);
  writePrivate(join(directory, 'id'), made.id);
  return home(directory, file, made);
}

function home(directory: string, file: string, marker: Marker): PostgresHome {
  return {
    directory,
    cluster: join(directory, 'cluster'),
    password: marker.password,
    get port() {
      return marker.port;
    },
    keepPort(port) {
      marker.port = port;
      writePrivate(file, JSON.stringify(marker));
    },
  };
}

/** Where DATA_DIR keeps the marker; it is there once a cluster has been made. */
export const markerFile = (dataDir: string) => join(dataDir, 'postgres.json');

/** What is needed to reach the cluster of a living process; undefined when there is none. */
export function readHomeOf(dataDir: string): Pick<PostgresHome, 'password' | 'port'> | undefined {
  const marker = readMarker(markerFile(dataDir));
  return marker && { password: marker.password, port: marker.port };
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

/** A server that still runs on the files would go on writing to them. */
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
