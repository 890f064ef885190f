import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceLoginProof } from '../../../../src/generated/prisma/client.ts';
import { hashPassword } from '../../../../src/modules/identity/credentials/password.ts';
import type { UserCaller } from '../../../../src/modules/kernel/caller.ts';
import { unbindDevice } from '../../../../src/modules/lifecycle/binding/unbind-device.ts';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import { register } from '../../../../src/modules/lifecycle/login/register.ts';
import { DomainError } from '../../../../src/platform/errors.ts';
import { newSecret } from '../../../support/api.ts';
import { buildDevice, buildIdentity, buildSubscription, unique } from '../../../support/factories.ts';
import { everyRow, type Input, joiningWith } from '../../../support/joining.ts';
import { newKey, prove } from '../../../support/prove.ts';
import { refusalOf } from '../../../support/redeeming.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

const PASSWORD = 'correct horse battery staple';

let services: TestServices;
let j: ReturnType<typeof joiningWith>;
let passwordHash: string;
beforeAll(async () => {
  [services, passwordHash] = await Promise.all([createTestServices(), hashPassword(PASSWORD)]);
  j = joiningWith(services);
});
afterAll(() => services.close());
afterEach(() => site({ deviceLoginProof: 'REQUIRED', deviceLimit: 5 }));

const site = (data: { deviceLoginProof?: DeviceLoginProof; deviceLimit?: number }) =>
  services.db.siteSettings.update({ where: { id: 1 }, data });
const callerOf = (userId: string): UserCaller => ({
  ...{ kind: 'user', role: 'USER', userId, sessionId: '', deviceId: null },
});

interface Victim {
  identifier: string;
  userId: string;
  deviceId: string;
}

/** An account with a live subscription, and a device without a credential. */
async function newVictim({ isLastIdentity = true } = {}): Promise<Victim> {
  const identifier = unique('device');
  const { userId, id: deviceId } = await buildDevice(services.db, { identifier });
  if (!isLastIdentity) await buildIdentity(services.db, { userId, type: 'EMAIL' });
  await buildSubscription(services.db, { userId });
  return { identifier, userId, deviceId };
}

type Device = Pick<Input, 'identifier' | 'secret' | 'publicKey' | 'proof'>;
type Confirmation = Pick<Input, 'confirmationToken' | 'replaceDeviceId'>;

/** What an attacker presents for a device. */
const CREDENTIALS: Record<string, (identifier: string) => Promise<Device>> = {
  'no credential': async (identifier) => ({ identifier }),
  'a made-up secret': async (identifier) => ({ identifier, secret: newSecret() }),
  'a made-up key': async (identifier) => {
    const key = await newKey();
    return { identifier, publicKey: key.publicKey, proof: await prove(services, key, identifier) };
  },
};

/** Logs a device in to another account; `replaceDeviceId` is a device of that account. */
interface Way {
  replaceDeviceId?: string;
  attempt: (device: Device & Confirmation) => Promise<unknown>;
}

const WAYS: Record<string, () => Promise<Way>> = {
  'a link code': async () => {
    const { userId, deviceId: replaceDeviceId } = await j.newApp();
    return {
      replaceDeviceId,
      attempt: async (device) => j.logIn({ ...device, linkCode: await j.linkCode(userId) }),
    };
  },
  'an e-mail login': async () => {
    const email = `${unique('user')}@example.test`;
    const { userId } = await buildIdentity(services.db, { type: 'EMAIL', value: email, passwordHash });
    const { id: replaceDeviceId } = await buildDevice(services.db, { userId });
    return { replaceDeviceId, attempt: (device) => logIn(services, { email, password: PASSWORD, device }) };
  },
  'a registration': async () => {
    const email = `${unique('user')}@example.test`;
    return { attempt: (device) => register(services, { email, password: PASSWORD, device }) };
  },
};

/** Attempts until the login succeeds, or fails without a further confirmation token. */
async function persist({ attempt }: Way, device: () => Promise<Device>, more: Confirmation) {
  let confirmationToken: string | undefined;
  for (;;) {
    try {
      await attempt({ ...(await device()), ...more, confirmationToken });
      return 'OK';
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      confirmationToken = error.details.confirmationToken;
      if (confirmationToken === undefined) return error.code;
    }
  }
}

/** All rows, except for those that a failed attempt leaves. */
async function rowsOfAccounts() {
  // A link code brings the session that created it.
  const { audit_entries, link_codes, pending_bindings, sessions, ...rows } = await everyRow(services);
  return rows;
}

const combinations = (['REQUIRED', 'OPTIONAL'] as const).flatMap((mode) =>
  Object.keys(WAYS).flatMap((way) =>
    Object.keys(CREDENTIALS).flatMap((credential) =>
      [true, false].flatMap((isLastIdentity) =>
        [true, false].map((isFull) => ({ mode, way, credential, isLastIdentity, isFull })),
      ),
    ),
  ),
);

describe('a device without a credential', () => {
  it.each(combinations)(
    'is not moved by $credential with $way while proof is $mode (merge: $isLastIdentity, replace: $isFull)',
    async ({ mode, way, credential, isLastIdentity, isFull }) => {
      const victim = await newVictim({ isLastIdentity });
      await site({ deviceLoginProof: mode, deviceLimit: isFull ? 1 : 5 });
      const other = await (WAYS[way] as () => Promise<Way>)();
      const present = CREDENTIALS[credential] as (identifier: string) => Promise<Device>;
      const { replaceDeviceId } = isFull ? other : {};
      const before = await rowsOfAccounts();

      const code = await persist(other, () => present(victim.identifier), { replaceDeviceId });

      const expected = credential === 'no credential' ? 'DEVICE_PROOF_REQUIRED' : 'DEVICE_PROOF_INVALID';
      expect(code).toBe(expected);
      expect(await rowsOfAccounts()).toEqual(before);
      expect(await services.db.pendingBinding.count()).toBe(0);
    },
  );

  it('is not moved by a token that confirms the move', async () => {
    const [victim, attacker] = [await newVictim(), await j.newApp()];
    const { identifier } = victim;
    await services.db.device.update({
      where: { id: victim.deviceId },
      data: { secretHash: Buffer.alloc(32) },
    });
    const linkCode = await j.linkCode(attacker.userId);
    const intent = {
      ...{ identifier, targetUserId: attacker.userId, ownerId: victim.userId, confirmed: [] },
    };
    const confirmationToken = newSecret();
    await services.db.pendingBinding.create({
      data: {
        tokenHash: Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(confirmationToken))),
        ...{ userId: attacker.userId, kind: 'DEVICE_BOUND_ELSEWHERE', payload: intent },
        expiresAt: new Date(Date.now() + 60_000),
      },
    });

    const refusal = await refusalOf(
      j.logIn({ identifier, secret: newSecret(), linkCode, confirmationToken }),
    );

    expect(refusal.code).toBe('DEVICE_PROOF_INVALID');
    expect(await j.ownerOf(victim)).toBe(victim.userId);
    await services.db.pendingBinding.deleteMany();
  });

  it('gets the same errors as one with another credential', async () => {
    await site({ deviceLoginProof: 'OPTIONAL' });
    const [victim, app, attacker] = [await newVictim(), await j.newApp(), await j.newApp()];
    const linkCode = await j.linkCode(attacker.userId);

    for (const secret of [undefined, newSecret()]) {
      const refusals = [
        await refusalOf(j.logIn({ identifier: victim.identifier, secret, linkCode })),
        await refusalOf(j.logIn({ identifier: app.identifier, secret, linkCode })),
      ].map(({ code, message, details }) => ({ code, message, details }));

      expect(refusals[0]).toEqual(refusals[1]);
      expect(refusals[0]?.message).toContain('link code');
    }
  });

  it.each(['REQUIRED', 'OPTIONAL'] as const)(
    'is handed over by a link code of its own account while proof is %s, with which it gets a credential',
    async (deviceLoginProof) => {
      await site({ deviceLoginProof });
      const [victim, target] = [await newVictim(), await j.newApp()];
      const installation = { identifier: victim.identifier, secret: newSecret() };

      const own = await j.join(installation, victim.userId);
      const login = await j.joinWithConfirmations(installation, target.userId);

      expect(own.user.id).toBe(victim.userId);
      expect(login).toMatchObject({ user: { id: target.userId }, device: { id: victim.deviceId } });
      expect(await j.user(victim.userId)).toMatchObject({ mergedIntoId: target.userId });
    },
  );

  it('is handed over by unbinding it in its own account', async () => {
    const [victim, target] = [await newVictim({ isLastIdentity: false }), await j.newApp()];
    await unbindDevice(services, {
      ...{ caller: callerOf(victim.userId), id: victim.deviceId, rotateCredentials: false },
    });

    const login = await j.join({ identifier: victim.identifier, secret: newSecret() }, target.userId);

    expect(login.user.id).toBe(target.userId);
  });

  it('gets its first credential by a login to its own account, which it then needs', async () => {
    const victim = await newVictim();
    const first = { identifier: victim.identifier, secret: newSecret() };

    expect((await j.logIn(first)).user.id).toBe(victim.userId);
    expect((await refusalOf(j.logIn({ ...first, secret: newSecret() }))).code).toBe('DEVICE_PROOF_INVALID');
  });
});
