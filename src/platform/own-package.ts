import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

let folder: string | undefined;
let version: string | undefined;

/** The folder of this package. Searched upwards, because this file runs from src and dist/src. */
export function ownFolder(): string {
  folder ??= findFolder(import.meta.dirname);
  return folder;
}

const findFolder = (start: string): string =>
  existsSync(join(start, 'package.json')) ? start : findFolder(dirname(start));

/** The version of this package. */
export function ownVersion(): string {
  version ??= (JSON.parse(readFileSync(join(ownFolder(), 'package.json'), 'utf8')) as { version: string })
    .version;
  return version;
}
