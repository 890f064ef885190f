import { randomUUID } from 'node:crypto';
import type { Login } from '../../src/modules/identity/session/tokens.ts';
import { createLinkCode } from '../../src/modules/lifecycle/binding/create-link-code.ts';
import { logInDevice } from '../../src/modules/lifecycle/login/log-in-device.ts';
import { DomainError } from '../../src/platform/errors.ts';
import type { RunningServices } from '../../src/platform/services.ts';
import { newSecret } from './api.ts';
import { eventually } from './redeeming.ts';

export type Input = Parameters<typeof logInDevice>[1];

/** An installation of an app, and the account it has. */
export interface App {
  identifier: string;
  secret: string;
  userId: string;
  deviceId: string;
}

/** An app before its first login. */
export const newInstallation = () => ({ identifier: `device-${randomUUID()}`, secret: newSecret() });

/** Devices that join accounts of others by link codes, without HTTP. */
export function joiningWith(services: RunningServices) {
  const { db } = services;
  const linkCode = async (userId: string): Promise<string> => {
    const caller = { kind: 'user', userId, role: 'USER', sessionId: '', deviceId: null } as const;
    return (await createLinkCode(services, { caller })).code;
  };
  const join = async (app: Partial<App>, userId: string, more: Partial<Input> = {}): Promise<Login> =>
    logInDevice(services, { ...fieldsOf(app), linkCode: await linkCode(userId), ...more });
  return {
    linkCode,
    join,
    logIn: (input: Input) => logInDevice(services, input),
    /** With an account of its own. */
    newApp: async (): Promise<App> => {
      const installation = newInstallation();
      const { user, device } = await logInDevice(services, installation);
      return { ...installation, userId: user.id, deviceId: device?.id ?? '' };
    },
    /** Says yes to whatever is asked, and gives `replaceDeviceId` where there is one. */
    joinAnyhow: async (app: Partial<App>, userId: string, more: Partial<Input> = {}): Promise<Login> => {
      const say = (confirmationToken?: string) => join(app, userId, { ...more, confirmationToken });
      return say()
        .catch((refusal: unknown) => say(tokenOf(refusal)))
        .catch((refusal: unknown) => say(tokenOf(refusal)));
    },
    ownerOf: async ({ identifier }: Pick<App, 'identifier'>) =>
      (await db.identity.findUnique({ where: { type_value: { type: 'DEVICE', value: identifier } } }))
        ?.userId,
    devicesOf: async (userId: string) =>
      (await db.device.findMany({ where: { userId }, orderBy: { id: 'asc' } })).map(({ id }) => id),
    user: (id: string) => db.user.findUniqueOrThrow({ where: { id } }),
    /** Until so many transactions wait for a lock. */
    waitingForLocks: (count: number) =>
      eventually(async () => {
        const rows = await db.$queryRaw<unknown[]>`
          SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
        return rows.length >= count;
      }, 2_500),
  };
}

const fieldsOf = ({ identifier = '', secret }: Partial<App>): Input => ({ identifier, secret });

/** The token of a refusal that asks for a decision; any other refusal is thrown. */
function tokenOf(refusal: unknown): string {
  const token = refusal instanceof DomainError ? refusal.details.confirmationToken : undefined;
  if (token === undefined) throw refusal;
  return token;
}

/** Every row there is, by table: what has not changed is equal. */
export async function everyRow({ db }: Pick<RunningServices, 'db'>): Promise<Record<string, string>> {
  const tables = await db.$queryRaw<{ name: string }[]>`
    SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`;
  const rows: Record<string, string> = {};
  for (const { name } of tables) {
    const [{ all } = { all: '' }] = await db.$queryRawUnsafe<{ all: string }[]>(
      `SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') AS all FROM "${name}" t`,
    );
    rows[name] = all;
  }
  return rows;
}
