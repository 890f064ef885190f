import type { Node } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { openConfig } from '../protocols/private-config.ts';

/** Seconds between two reports of traffic, and between two requests for the list. */
export const INTERVALS = { push_interval: 60, pull_interval: 60 };

/** The keys of a node's private configuration that node programs get. */
export interface PrivatePart {
  paddingScheme?: string[];
  privateKey?: string | null;
  destination?: string | null;
}

export const privatePartOf = (services: Pick<Services, 'secrets'>, node: Node): PrivatePart =>
  Object(openConfig(services, node)) as PrivatePart;

/** The host and port that Reality imitates. */
export function destinationOf({ destination }: PrivatePart): { host: string; port: string } {
  const [host = '', port = '443'] = (destination ?? '').split(/:(?=\d+$)/);
  return { host, port };
}
