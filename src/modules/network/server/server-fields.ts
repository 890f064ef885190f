import { isIP } from 'node:net';
import { z } from 'zod';
import type { Prisma, Server } from '../../../generated/prisma/client.ts';
import { label } from '../../../platform/text.ts';

const HOST_NAME =
  /^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

const place = z.string().trim().max(100, 'must have at most 100 characters');

/** The fields of a server that admins set. */
export const serverFields = {
  name: label(100),
  address: z
    .string()
    .trim()
    .refine((text) => isIP(text) !== 0 || HOST_NAME.test(text), 'must be a host name or an IP address'),
  country: place,
  city: place,
  latitude: z.number().min(-90, 'must be from -90 to 90').max(90, 'must be from -90 to 90'),
  longitude: z.number().min(-180, 'must be from -180 to 180').max(180, 'must be from -180 to 180'),
};

/** The fields of a server that go into the audit log: those that admins set, never the token. */
export function auditedServer(server: Server): Prisma.InputJsonObject {
  const { name, address, country, city, latitude, longitude } = server;
  return { name, address, country, city, latitude, longitude };
}
