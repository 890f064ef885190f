import { readServerStates } from '../modules/network/server/read-server-states.ts';
import { rotateServerToken } from '../modules/network/server/rotate-server-token.ts';
import { PlatformError } from '../platform/errors.ts';
import type { Command } from './command.ts';
import { showTable } from './table.ts';

export const serversList: Command = {
  needs: 'services',
  name: 'servers list',
  summary: 'lists the servers, whether their agents are up, and how far they lag behind',
  options: {},
  help: '',
  run: async ({ services, show }) => {
    const servers = await services.db.server.findMany({ where: { deletedAt: null }, orderBy: { id: 'asc' } });
    const states = await readServerStates(
      services,
      servers.map(({ id }) => id),
    );
    showTable(
      { show },
      servers.map(({ id, name, address, lastSeenAt }) => {
        const state = states.get(id);
        return {
          ...{ server: id, name, address, status: state?.status ?? 'OFFLINE', 'last seen': lastSeenAt },
          ...{ 'lag (s)': state?.lagSeconds, 'changes to confirm': state?.pendingChanges },
        };
      }),
    );
    if (servers.length === 0) show('None.');
  },
};

export const serversRotateToken: Command = {
  needs: 'services',
  name: 'servers rotate-token',
  argument: 'server',
  summary: 'issues a new token for the agent of a server, and revokes the old one immediately',
  options: {},
  help: '  <server> is an id or a name.',
  run: async ({ services, show }, { server }) => {
    const found = await services.db.server.findMany({ where: { deletedAt: null } });
    const matching = found.filter(({ id, name }) => id === server || name === server);
    if (!matching[0] || matching.length > 1) {
      const message = `${matching.length === 0 ? 'No server has' : 'Several servers have'} the id or name "${server}".`;
      throw new PlatformError('NOT_FOUND', { message });
    }
    const { token } = await rotateServerToken(services, { actorId: null, id: matching[0].id });
    show(`Server ${matching[0].name}: ${token} (shown only once). Its agent needs it now.`);
  },
};
