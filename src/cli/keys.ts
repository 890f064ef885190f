import { rotateTransportKey } from '../modules/catalog/site/rotate-transport-key.ts';
import { rotateSigningKeys } from '../modules/lifecycle/admin/rotate-signing-keys.ts';
import { rotateSecretKey } from '../modules/operations/secret-rotation/rotate-secret-key.ts';
import { type Command, type Tools, UsageError } from './command.ts';

export const keysRotate: Command = {
  needs: 'services',
  name: 'keys rotate',
  summary: 'rotates the signing key of access tokens; existing tokens stay valid until they expire',
  options: { transport: { type: 'boolean' }, secret: { type: 'boolean' } },
  help: `  --transport   rotate the transport key of devices instead; the previous key stays valid until the next rotation
  --secret      protect everything with SECRET_KEY instead of SECRET_KEY_PREVIOUS, which all processes have;
                run it again to continue after an interruption`,
  run: (tools, { transport, secret }) => {
    if (transport && secret) throw new UsageError('Give either --transport or --secret.');
    if (secret) return rotateSecret(tools);
    return transport ? rotateTransport(tools) : rotateSigning(tools);
  },
};

async function rotateTransport({ services, show }: Tools): Promise<void> {
  const { kid } = await rotateTransportKey(services, { actorId: null });
  show(`Transport key ${kid}: valid immediately.`);
}

async function rotateSigning({ services, show }: Tools): Promise<void> {
  const { kid, isNew } = await rotateSigningKeys(services);
  show(
    isNew
      ? `Signing key ${kid}: all instances sign with it within 11 s.`
      : `Signing key ${kid} was created a few seconds ago and is not in use yet: nothing to do.`,
  );
}

const PROGRESS_EVERY_MS = 2_000;

async function rotateSecret({ services, show, say }: Tools): Promise<void> {
  let saidAt = 0;
  const { isRotated, previousEndsAt, unreadableCodes } = await rotateSecretKey(services, {
    onStart: () => say('Waiting until all processes use the new key, then protecting everything with it …'),
    onCodes: ({ done }) => {
      if (Date.now() - saidAt < PROGRESS_EVERY_MS) return;
      saidAt = Date.now();
      say(`Codes: ${done}`);
    },
  });
  if (unreadableCodes > 0) say(`No configured key opens ${unreadableCodes} codes. The log names them.`);
  if (!isRotated && !previousEndsAt) {
    show('SECRET_KEY protects everything: nothing to do. To change it, see docs/operations.md.');
    return;
  }
  const isOver = !previousEndsAt || previousEndsAt <= new Date();
  show(
    `SECRET_KEY protects everything. SECRET_KEY_PREVIOUS can be removed ${isOver ? 'now' : `after ${previousEndsAt.toISOString()}`}.`,
  );
}
