import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DeclaredHardware, HardwareAccess } from '../modules/lifecycle/binding/admit-hardware.ts';

/** Printable ASCII: clients send UUIDs, serial numbers and hashes. */
const HWID = /^[\x21-\x7e]{4,256}$/;
const MAX_CHARACTERS = 100;

/** Reads the headers in which proxy clients declare their device. */
export function declaredHardware({ headers, ip }: FastifyRequest): DeclaredHardware {
  const text = (name: string) => shownText(headers[name]);
  const hwid = headers['x-hwid'];
  return {
    hwid: typeof hwid === 'string' && HWID.test(hwid) ? hwid : null,
    name: text('x-device-model'),
    platform: [text('x-device-os'), text('x-ver-os')].filter(Boolean).join(' ') || null,
    userAgent: text('user-agent'),
    ip,
  };
}

/** Shown in lists: without control characters, and not endless. */
function shownText(value: string | string[] | undefined): string | null {
  const text = String(value ?? '').slice(0, MAX_CHARACTERS);
  return text.replace(/[^\x20-\x7e\xa0-\xff]/g, '').trim() || null;
}

/** Why a link has no nodes for a device. For people, in English. */
export const HARDWARE_NOTICES: Readonly<Record<Exclude<HardwareAccess, 'ADMITTED'>, string>> = {
  UNDECLARED: 'This app does not say which device it is. Use another app',
  DISABLED: 'This device is disabled',
  LIMIT_REACHED: 'Too many devices. Remove one in your account to use this one',
};

/** Headers by which clients explain it themselves. */
export function describeAccess(reply: FastifyReply, access: HardwareAccess): void {
  reply.header('x-hwid-active', 'true');
  if (access === 'UNDECLARED') reply.header('x-hwid-not-supported', 'true');
  if (access === 'LIMIT_REACHED')
    reply.header('x-hwid-max-devices-reached', 'true').header('x-hwid-limit', 'true');
}
