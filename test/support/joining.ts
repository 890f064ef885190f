import { randomUUID } from 'node:crypto';
import type { Login } from '../../src/modules/identity/session/issue-tokens.ts';
import { createLinkCode } from '../../src/modules/lifecycle/binding/create-link-code.ts';
import { logInDevice } from '../../src/modules/lifecycle/login/log-in-device.ts';
import { DomainError } from '../../src/platform/errors.ts';
import { required } from '../../src/platform/required.ts';
import type { RunningServices } from '../../src/platform/services.ts';
import { newSecret } from './api.ts';
import { countWaiting } from './blocked-work.ts';
import { buildCaller } from './factories.ts';
import { eventually } from './redeeming.ts';
import type { TestServices } from './services.ts';

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

/** Logs devices in to other accounts with link codes, without HTTP. */
export function joiningWith(services: TestServices) {
  const { db } = services;
  /** A link code of a new session without a device. */
  const linkCode = async (userId: string): Promise<string> => {
    const caller = await buildCaller(db, { userId });
    return (await createLinkCode(services, { caller })).code;
  };
  const join = async (app: Partial<App>, userId: string, more: Partial<Input> = {}): Promise<Login> =>
    logInDevice(services, { ...fieldsOf(app), linkCode: await linkCode(userId), ...more });
  return {
    linkCode,
    join,
    logIn: (input: Input) => logInDevice(services, input),
    /** Registers a new device, which gets its own account. */
    newApp: async (): Promise<App> => {
      const installation = newInstallation();
      const { user, device } = await logInDevice(services, installation);
      return { ...installation, userId: user.id, deviceId: required(device, 'device of the login').id };
    },
    /** Joins and confirms up to two times, first the move and then the replacement of a device. */
    joinWithConfirmations: async (
      app: Partial<App>,
      userId: string,
      more: Partial<Input> = {},
    ): Promise<Login> => {
      const attempt = (confirmationToken?: string) => join(app, userId, { ...more, confirmationToken });
      return attempt()
        .catch((error: unknown) => attempt(tokenOf(error)))
        .catch((error: unknown) => attempt(tokenOf(error)));
    },
    ownerOf: async ({ identifier }: Pick<App, 'identifier'>) =>
      (await db.identity.findUnique({ where: { type_value: { type: 'DEVICE', value: identifier } } }))
        ?.userId,
    devicesOf: async (userId: string) =>
      (await db.device.findMany({ where: { userId }, orderBy: { id: 'asc' } })).map(({ id }) => id),
    user: (id: string) => db.user.findUniqueOrThrow({ where: { id } }),
    /** Waits until `count` transactions wait for a lock. */
    waitingForLocks: (count: number) => eventually(async () => (await countWaiting(db)) >= count, 2_500),
  };
}

const fieldsOf = ({ identifier = '', secret }: Partial<App>): Input => ({ identifier, secret });

/** The confirmation token of an error; errors without one are thrown. */
function tokenOf(error: unknown): string {
  const token = error instanceof DomainError ? error.details.confirmationToken : undefined;
  if (token === undefined) throw error;
  return token;
}

/** All rows of each table as text, to compare the database before and after a call. */
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
