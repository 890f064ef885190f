import { z } from 'zod';
import { checkInput } from '../../../platform/input.ts';

const MAX_ENTRIES = 5_000;
const TOO_MANY = `must have at most ${MAX_ENTRIES} entries`;
const Uid = z.number().int().min(1).max(999_999_999);
const Bytes = z.number().int('must be whole').min(0, 'must not be negative');

const Push = z.object({
  traffic: z
    .array(z.object({ uid: Uid, upload: Bytes, download: Bytes }))
    .max(MAX_ENTRIES, TOO_MANY)
    .nullable(),
});

/** Programs written in Go send the names of their fields, in upper case. */
const Online = z.object({
  users: z
    .array(
      z.union([
        z.object({ uid: Uid, ip: z.string().max(100) }),
        z.object({ UID: Uid, IP: z.string().max(100) }).transform(({ UID, IP }) => ({ uid: UID, ip: IP })),
      ]),
    )
    .max(10 * MAX_ENTRIES, `must have at most ${10 * MAX_ENTRIES} entries`)
    .nullable(),
});

const Status = z.object({ cpu: z.number(), mem: z.number(), disk: z.number() });

/*
 * The reports of PPanel's programs, in the form of UniProxy. Each throws PlatformError
 * BAD_USER_INPUT.
 */

/** Bytes by number of the user. Entries of the same user are added up. */
export function toPush(body: unknown): Record<string, [number, number]> {
  const push: Record<string, [number, number]> = {};
  for (const { uid, upload, download } of checkInput(Push, body, 'body').traffic ?? []) {
    const [up, down] = push[uid] ?? [0, 0];
    push[uid] = [up + upload, down + download];
  }
  return push;
}

/** Addresses by number of the user. */
export function toAlive(body: unknown): Record<string, string[]> {
  const alive: Record<string, string[]> = {};
  for (const { uid, ip } of checkInput(Online, body, 'body').users ?? []) {
    const ips = alive[uid] ?? [];
    alive[uid] = ips;
    ips.push(ip);
  }
  return alive;
}

/** Memory and disk are shares in percent, of a total of 100. */
export function toStatus(body: unknown): object {
  const { cpu, mem, disk } = checkInput(Status, body, 'body');
  const part = (used: number) => ({ total: 100, used });
  return { cpu, mem: part(mem), disk: part(disk) };
}
