import { statfs } from 'node:fs/promises';
import { cpus, freemem, loadavg, totalmem } from 'node:os';

/**
 * A stand-in for a proxy that carries no traffic. With `simulate`, one in three users is connected
 * and has random traffic.
 *
 * @param {{ simulate: boolean }} options
 * @returns {import('./agent.mjs').Proxy}
 */
export function createStandIn({ simulate }) {
  let users = [];
  const active = () => (simulate ? users.filter((_user, place) => place % 3 === 0).slice(0, 5_000) : []);
  return {
    configure: async () => {},
    admit: async (admitted) => {
      users = [...admitted.values()];
    },
    readTraffic: async () =>
      active().map(({ subscriptionId, nodeIds: [nodeId] }) => {
        return { nodeId, subscriptionId, upload: randomBytes(1e5), download: randomBytes(1e6) };
      }),
    readOnline: async () => active().map(({ subscriptionId }) => ({ subscriptionId, ips: ['192.0.2.1'] })),
    readStatus: async () => {
      const { blocks, bfree } = await statfs('/');
      return {
        cpu: Math.min(1, (loadavg()[0] ?? 0) / cpus().length),
        memory: 1 - freemem() / totalmem(),
        disk: 1 - bfree / blocks,
        version: 'example 1.0.0',
      };
    },
  };
}

const randomBytes = (max) => BigInt(Math.floor(Math.random() * max));
