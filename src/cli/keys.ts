import { rotateTransportKey } from '../modules/catalog/site/rotate-transport-key.ts';
import { rotateSigningKeys } from '../modules/lifecycle/admin/rotate-signing-keys.ts';
import type { Command, Tools } from './command.ts';

export const keysRotate: Command = {
  name: 'keys rotate',
  summary: 'has access tokens signed with a new key; those of the one before are believed until they end',
  options: { transport: { type: 'boolean' } },
  help: '  --transport   a new key for devices to encrypt to, instead; the one before stays good until the next time',
  run: (tools, { transport }) => (transport ? rotateTransport(tools) : rotateSigning(tools)),
};

async function rotateTransport({ services, show }: Tools): Promise<void> {
  const { kid } = await rotateTransportKey(services, { actorId: null });
  show(`Transport key ${kid}: good at once.`);
}

async function rotateSigning({ services, show }: Tools): Promise<void> {
  const { kid, isNew } = await rotateSigningKeys(services);
  show(
    isNew
      ? `Signing key ${kid}: every instance signs with it within 11 s.`
      : `Signing key ${kid} was made moments ago and signs nothing yet: nothing to do.`,
  );
}
