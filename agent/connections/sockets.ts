import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { canonicalIp } from './ip.ts';

const run = promisify(execFile);

/** Endpoints named in one command. */
const PER_COMMAND = 50;
const ESTABLISHED = '01';

/** A TCP connection of a client to a port of this machine. */
export interface Socket {
  localPort: number;
  /** Address of the client. */
  ip: string;
  /** Port of the client. */
  port: number;
}

/** The established connections to these ports. */
export async function listSockets(ports: ReadonlySet<number>): Promise<Socket[]> {
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'latin1').catch(() => '')),
  );
  return tables.flatMap((table) => table.split('\n').slice(1)).flatMap((line) => socketOf(line, ports));
}

/** `sl local remote state …`, with addresses in hexadecimal. */
function socketOf(line: string, ports: ReadonlySet<number>): Socket[] {
  const [, local = '', remote = '', state] = line.trim().split(/\s+/);
  if (state !== ESTABLISHED) return [];
  const localPort = Number.parseInt(local.slice(-4), 16);
  if (!ports.has(localPort)) return [];
  const [address = '', port = ''] = remote.split(':');
  return [{ localPort, ip: ipOf(address), port: Number.parseInt(port, 16) }];
}

/** Each group of 32 bits is in the byte order of the machine, which is little-endian. */
function ipOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  for (let start = 0; start < bytes.length; start += 4) bytes.subarray(start, start + 4).reverse();
  const isMapped = bytes.length === 16 && bytes.subarray(0, 12).equals(MAPPED);
  const ipv4 = bytes.length === 4 ? bytes : isMapped ? bytes.subarray(12) : undefined;
  if (ipv4) return [...ipv4].join('.');
  const parts = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  return canonicalIp(parts.join(':'));
}

const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/**
 * Closes connections through the kernel: a core has no function for it. Needs `ss` (iproute2) and
 * CAP_NET_ADMIN.
 *
 * @throws Error if `ss` fails
 */
export async function closeSockets(sockets: readonly Socket[]): Promise<void> {
  for (let start = 0; start < sockets.length; start += PER_COMMAND) {
    const filters = sockets.slice(start, start + PER_COMMAND).map(({ localPort, ip, port }) => {
      const host = ip.includes(':') ? `[${ip}]` : ip;
      return `( sport = :${localPort} and dst ${host}:${port} )`;
    });
    await run('ss', ['-K', '-Htn', 'state', 'established', filters.join(' or ')]);
  }
}
