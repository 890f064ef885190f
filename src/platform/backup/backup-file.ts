import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** The first frame of a backup. */
export interface BackupHeader {
  format: typeof FORMAT;
  createdAt: string;
  /** Version of the release that made the backup. */
  version: string;
  /** The migrations that the database had, in order. */
  migrations: { name: string; checksum: string }[];
  /** Identifies the secret key that protects the values, in hex; null before the first start. */
  secretFingerprint: string | null;
  /** The same of the previous key, while a rotation has not finished. */
  previousFingerprint: string | null;
}

/** Begins the rows of a table, which follow as data frames in PostgreSQL's text format for COPY. */
export interface TableFrame {
  table: string;
  columns: string[];
}

/** The last frame. Its absence means that the backup is incomplete. */
export interface BackupEnd {
  /** Number of rows by table. */
  rows: Record<string, number>;
}

export type Frame =
  | { type: 'header'; value: BackupHeader }
  | { type: 'table'; value: TableFrame }
  | { type: 'data'; bytes: Buffer }
  | { type: 'end'; value: BackupEnd };

export const FORMAT = 'tessera-backup-1';

/** The file is not a complete backup. The message is for operators. */
export class BackupError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BackupError';
  }
}

const TYPES = ['header', 'table', 'data', 'end'] as const;
const PREFIX_BYTES = 5;

/** Encodes a frame: its type, the length of its content in four bytes, and the content. */
export function encodeFrame(frame: Frame): Buffer[] {
  const content = frame.type === 'data' ? frame.bytes : Buffer.from(JSON.stringify(frame.value));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt8(TYPES.indexOf(frame.type), 0);
  prefix.writeUInt32BE(content.length, 1);
  return [prefix, content];
}

/**
 * Reads the frames of a backup.
 *
 * @throws BackupError if the file cannot be read, is no backup, or is incomplete
 */
export async function* readFrames(file: string): AsyncGenerator<Frame> {
  const unzipped = createReadStream(file)
    .on('error', (error) => unzipped.destroy(error))
    .pipe(createGunzip());
  let type: Frame['type'] | undefined;
  try {
    for await (const frame of decodeFrames(unzipped)) {
      type ??= checkFirst(frame);
      type = frame.type;
      yield frame;
    }
  } catch (cause) {
    if (cause instanceof BackupError) throw cause;
    throw new BackupError(`${file} is not a complete backup: ${(cause as Error).message}`, { cause });
  }
  if (type !== 'end') throw new BackupError(`${file} is not a complete backup: its end is missing.`);
}

function checkFirst(frame: Frame): Frame['type'] {
  if (frame.type === 'header' && frame.value.format === FORMAT) return frame.type;
  throw new BackupError('The file is not a backup of this service, or of a newer release.');
}

async function* decodeFrames(bytes: Readable): AsyncGenerator<Frame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    rest = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    for (let frame = decodeFrame(rest); frame; frame = decodeFrame(rest)) {
      rest = rest.subarray(frame.length);
      yield frame.value;
    }
  }
  if (rest.length > 0) throw new BackupError('The file is not a complete backup: it ends in the middle.');
}

function decodeFrame(bytes: Buffer): { value: Frame; length: number } | undefined {
  if (bytes.length < PREFIX_BYTES) return undefined;
  const type = TYPES[bytes.readUInt8(0)];
  if (!type) throw new BackupError('The file is not a backup of this service.');
  const length = PREFIX_BYTES + bytes.readUInt32BE(1);
  if (bytes.length < length) return undefined;
  const content = bytes.subarray(PREFIX_BYTES, length);
  const value = type === 'data' ? { type, bytes: content } : { type, value: JSON.parse(content.toString()) };
  return { value: value as Frame, length };
}
