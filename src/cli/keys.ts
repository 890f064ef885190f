import { rotateTransportKey } from '../modules/catalog/site/rotate-transport-key.ts';
import { rotateSigningKeys } from '../modules/lifecycle/admin/rotate-signing-keys.ts';
import type { Command, Tools } from './command.ts';

export const keysRotate: Command = {
  name: 'keys rotate',
  summary: 'rotates the signing key of access tokens; existing tokens stay valid until they expire',
  options: { transport: { type: 'boolean' } },
  help: '  --transport   rotate the transport key of devices instead; the previous key stays valid until the next rotation',
  run: (tools, { transport }) => (transport ? rotateTransport(tools) : rotateSigning(tools)),
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
