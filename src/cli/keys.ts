import { rotateSigningKeys } from '../modules/auth/rotate-signing-keys.ts';
import type { Command } from './command.ts';

export const keysRotate: Command = {
  name: 'keys rotate',
  summary: 'has access tokens signed with a new key; those of the one before are believed until they end',
  options: {},
  help: '',
  run: async ({ services, show }) => {
    const { kid, isNew } = await rotateSigningKeys(services);
    show(
      isNew
        ? `Signing key ${kid}: every instance signs with it within 11 s.`
        : `Signing key ${kid} was made moments ago and signs nothing yet: nothing to do.`,
    );
  },
};
