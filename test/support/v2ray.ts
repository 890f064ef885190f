import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import {
  type UnpackedCommand,
  unpackDebianPackages,
  unpackedCommand,
} from '../../src/platform/embedded/debian-packages.ts';

const TOOLS = resolve('.cache');
const FOLDER = 'v2ray';
const downloaded = () => unpackedCommand(join(TOOLS, FOLDER), 'usr/bin/v2ray');

/** V2Fly's v2ray: that of the system, else one unpacked from its packages. */
export async function v2rayCommand(): Promise<UnpackedCommand> {
  for (const command of [['v2ray'], downloaded()] as UnpackedCommand[]) if (runs(command)) return command;
  const isThere = () => runs(downloaded());
  await unpackDebianPackages({ tools: TOOLS, folder: FOLDER, packages: ['v2ray'], isThere });
  return downloaded();
}

const runs = ([program, ...args]: UnpackedCommand) =>
  spawnSync(program, [...args, '-version'], { stdio: 'ignore' }).status === 0;
