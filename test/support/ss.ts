import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { unpackDebianPackages, unpackedCommand } from '../../src/platform/embedded/debian-packages.ts';

const TOOLS = resolve('.cache');
const FOLDER = 'iproute2';
const PROGRAM = 'bin/ss';

const runs = (program: string) => spawnSync(program, ['-V'], { stdio: 'ignore' }).status === 0;

/**
 * Makes sure that `ss` is found in PATH: that of the system, else one unpacked from its package.
 */
export async function provideSs(): Promise<void> {
  if (runs('ss')) return;
  const place = join(TOOLS, FOLDER);
  const isThere = () => existsSync(join(place, PROGRAM));
  if (!isThere())
    await unpackDebianPackages({ tools: TOOLS, folder: FOLDER, packages: ['iproute2'], isThere });
  const bin = join(TOOLS, 'iproute2-bin');
  mkdirSync(bin, { recursive: true });
  const command = unpackedCommand(place, PROGRAM).map((part) => `'${part}'`);
  writeFileSync(join(bin, 'ss'), `#!/bin/sh\nexec ${command.join(' ')} "$@"\n`, { mode: 0o755 });
  process.env.PATH = `${bin}${delimiter}${process.env.PATH}`;
}
