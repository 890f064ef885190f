import { Prisma } from '../../../generated/prisma/client.ts';
import type { NodeConfig } from './node-config.ts';

/** As Prisma wants it: null in a JSON column may mean two things. */
export function storedConfig({ clientConfig, serverConfig }: NodeConfig) {
  return { clientConfig, serverConfig: serverConfig ?? Prisma.DbNull };
}
