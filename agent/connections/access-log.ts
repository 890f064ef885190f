import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { canonicalIp } from './ip.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

/** A connection that the core has accepted. */
export interface Accepted {
  email: string;
  /** Address of the client, or what a proxy says it is. */
  ip: string;
  port: number;
}

/** `2026/11/27 12:00:00 from tcp:203.0.113.7:50000 accepted tcp:example.com:443 [a -> b] email: x` */
const LINE = /(?:^|[ :])\[?([\da-f.:]+?)\]?:(\d+) accepted .* email: (\S+)$/;

/** Reads the log in which the core names the user of each connection. */
export class AccessLog {
  readonly #file: string;
  #position = 0;
  /** Identifies the file. */
  #identity: string | undefined;
  /** The start of a line whose end is not written yet. */
  #rest = '';

  constructor(file: string) {
    this.#file = file;
  }

  /** The connections since the last call. */
  read(): Accepted[] {
    if (!existsSync(this.#file)) return [];
    const descriptor = openSync(this.#file, 'r+');
    try {
      this.#followFile(fstatSync(descriptor));
      const lines = `${this.#rest}${this.#readNew(descriptor)}`.split('\n');
      this.#rest = lines.pop() ?? '';
      // The core appends, so it continues at the new end.
      if (this.#position > MAX_BYTES) {
        ftruncateSync(descriptor, 0);
        this.#position = 0;
      }
      return lines.flatMap(parseLine);
    } finally {
      closeSync(descriptor);
    }
  }

  /** A core that starts has a new file. */
  #followFile({ ino, birthtimeMs, size }: { ino: number; birthtimeMs: number; size: number }): void {
    // Numbers of files are used again.
    const file = `${ino} ${birthtimeMs}`;
    if (file === this.#identity && size >= this.#position) return;
    this.#identity = file;
    this.#position = 0;
    this.#rest = '';
  }

  #readNew(descriptor: number): string {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const chunks: Buffer[] = [];
    for (;;) {
      const length = readSync(descriptor, buffer, 0, CHUNK_BYTES, this.#position);
      if (length === 0) return Buffer.concat(chunks).toString('utf8');
      chunks.push(Buffer.from(buffer.subarray(0, length)));
      this.#position += length;
    }
  }
}

function parseLine(line: string): Accepted[] {
  const [, ip, port, email] = LINE.exec(line.trim()) ?? [];
  return ip && email ? [{ email, ip: canonicalIp(ip), port: Number(port) }] : [];
}
