import { randomBytes, randomUUID } from 'node:crypto';
import { readConfig } from '../../src/config.ts';
import { createShared } from '../../src/context.ts';
import { startServer } from '../../src/http/server.ts';
import { hashPassword } from '../../src/modules/identity/credentials/password.ts';
import { hashServerToken } from '../../src/modules/network/server/find-agent.ts';
import type { RunningServices, ServiceSettings } from '../../src/platform/services.ts';
import { createSchema } from '../../src/schema.ts';
import { DeviceLoginDocument, LoginDocument } from '../generated/graphql.ts';
import { type Client, createClient } from './client.ts';
import { buildIdentity, buildServer, buildUser, unique } from './factories.ts';
import { createTestServices, type TestServices } from './services.ts';

/** An API in this process, with its own database, and clients of it. */
export interface TestApi {
  url: string;
  services: TestServices;
  anonymous: Client;
  /** Creates an account by a device login. */
  newUser(): Promise<TestUser>;
  newAdmin(): Promise<TestUser>;
  /** Creates a server, and returns a client for its agent. */
  newAgent(): Promise<Client & { serverId: string }>;
  close(): Promise<void>;
}

export type TestUser = Client & { userId: string; refreshToken: string; identifier: string; secret: string };

interface TestApiSettings extends Partial<ServiceSettings> {
  /** Environment variables for the configuration. */
  env?: Record<string, string>;
}

export async function startTestApi({ env, ...settings }: TestApiSettings = {}): Promise<TestApi> {
  const services = await createTestServices(settings);
  const config = readConfig({ PORT: '0', RATE_LIMITS: settings.rateLimits ? 'on' : 'off', ...env });
  const graphql = { schema: await createSchema(), shared: createShared(services, config) };
  const server = await startServer({ services, config, graphql });
  const clients: Client[] = [];
  const connect = (token?: string) => {
    const client = createClient(server.url, token);
    clients.push(client);
    return client;
  };
  return {
    url: server.url,
    services,
    anonymous: connect(),
    newUser: async () => logInDevice(connect()),
    newAdmin: async () => logInAdmin(connect(), services),
    newAgent: async () => {
      const token = `srv_${randomBytes(32).toString('base64url')}`;
      const { id: serverId } = await buildServer(services.db, { tokenHash: hashServerToken(token) });
      return Object.assign(connect(token), { serverId });
    },
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await server.close();
      await services.close();
    },
  };
}

export const newSecret = () => randomBytes(32).toString('base64url');

async function logInDevice(client: Client): Promise<TestUser> {
  const [identifier, secret] = [`device-${randomUUID()}`, newSecret()];
  const { deviceLogin } = await client.get(DeviceLoginDocument, { input: { identifier, secret } });
  client.token = deviceLogin.accessToken;
  return Object.assign(client, {
    userId: deviceLogin.user.id,
    refreshToken: deviceLogin.refreshToken,
    identifier,
    secret,
  });
}

async function logInAdmin(client: Client, { db }: RunningServices): Promise<TestUser> {
  const [email, password] = [`${unique('admin')}@example.test`, 'correct horse battery staple'];
  const { id: userId } = await buildUser(db, { role: 'ADMIN' });
  await buildIdentity(db, {
    userId,
    type: 'EMAIL',
    value: email,
    passwordHash: await hashPassword(password),
  });
  const { login } = await client.get(LoginDocument, { input: { email, password } });
  client.token = login.accessToken;
  return Object.assign(client, {
    userId,
    refreshToken: login.refreshToken,
    identifier: email,
    secret: password,
  });
}
