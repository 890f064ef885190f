import { describe, expect, it } from 'vitest';
import { seedDemo } from '../../../../prisma/seed.ts';
import { Protocol } from '../../../../src/generated/prisma/client.ts';
import { checkNodeConfig, publicConfig } from '../../../../src/modules/network/protocols/node-config.ts';
import { openConfig } from '../../../../src/modules/network/protocols/private-config.ts';
import { BAD, changed, GOOD } from '../../../support/node-configs.ts';
import { createTestServices } from '../../../support/services.ts';

describe('checkNodeConfig', () => {
  it.each(GOOD)('accepts a $name config, and is idempotent on its result', (example) => {
    const config = checkNodeConfig(example);

    expect(config.clientConfig).toMatchObject({
      ...example.clientConfig,
      ...(example.clientConfig.flow === '' && { flow: null }),
    });
    expect(checkNodeConfig({ ...example, ...config })).toEqual(config);
    expect(publicConfig(example.protocol, config.clientConfig)).toEqual({
      protocol: example.protocol,
      ...config.clientConfig,
    });
  });

  it.each(BAD)('rejects a %s config with %j and names input.%s', (name, changes, key) => {
    expect(() => checkNodeConfig(changed(name, changes))).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: `input.${key}` } }),
    );
  });

  it.each([
    ['raw', 'tcp'],
    ['tcp', 'tcp'],
    ['splithttp', 'xhttp'],
    ['websocket', 'ws'],
  ])('stores the transport %s as %s', (network, stored) => {
    const { clientConfig } = checkNodeConfig({
      protocol: 'TROJAN',
      clientConfig: { network, ...(stored !== 'tcp' && { path: '/in' }) },
    });

    expect(clientConfig).toMatchObject({ network: stored });
    // Processes of the version before reject a key that they don't know.
    expect(JSON.stringify(clientConfig)).not.toContain('mode');
  });

  it('names the transports that there are', () => {
    const config = { protocol: 'VLESS', clientConfig: { security: 'none', network: 'kcp' } } as const;
    expect(() => checkNodeConfig(config)).toThrow(
      'must be raw (or tcp), ws, grpc, httpupgrade, xhttp; others are not supported',
    );
  });

  it.each(GOOD)('rejects an unknown key in either part of a $name config', (example) => {
    const parts = { clientConfig: example.clientConfig, serverConfig: example.serverConfig ?? {} };
    for (const part of ['clientConfig', 'serverConfig'] as const) {
      const config = { ...example, ...parts, [part]: { ...parts[part], secret: 'x' } };

      expect(() => checkNodeConfig(config)).toThrow(
        expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: `input.${part}.secret` } }),
      );
    }
  });

  it.each(Object.values(Protocol))('rejects a %s config that is not an object', (protocol) => {
    for (const clientConfig of [null, undefined, [], 'x', 1]) {
      expect(() => checkNodeConfig({ protocol, clientConfig })).toThrow(
        expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: 'input.clientConfig' } }),
      );
    }
  });
});

describe('seedDemo', () => {
  it('creates a node of each protocol with a valid config', async () => {
    const services = await createTestServices();
    await seedDemo(services);
    const nodes = await services.db.node.findMany();
    await services.close();

    expect(new Set(nodes.map(({ protocol }) => protocol))).toEqual(new Set(Object.values(Protocol)));
    for (const node of nodes) {
      const serverConfig = openConfig(services, node);
      expect(() => checkNodeConfig({ ...node, serverConfig })).not.toThrow();
    }
  });
});
