import { describe, expect, it } from 'vitest';
import { seedDemo } from '../../../../prisma/seed.ts';
import { Protocol } from '../../../../src/generated/prisma/client.ts';
import { checkNodeConfig, publicConfig } from '../../../../src/modules/network/protocols/node-config.ts';
import { BAD, changed, GOOD } from '../../../support/node-configs.ts';
import { createTestServices } from '../../../support/services.ts';

describe('checkNodeConfig', () => {
  it.each(GOOD)('takes what $name needs, and again what it has made of it', (example) => {
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

  it.each(BAD)('refuses for %s %j and names input.%s', (name, changes, key) => {
    expect(() => checkNodeConfig(changed(name, changes))).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: `input.${key}` } }),
    );
  });

  it.each(GOOD)('refuses for $name a key that it does not know, in either part', (example) => {
    const parts = { clientConfig: example.clientConfig, serverConfig: example.serverConfig ?? {} };
    for (const part of ['clientConfig', 'serverConfig'] as const) {
      const config = { ...example, ...parts, [part]: { ...parts[part], secret: 'x' } };

      expect(() => checkNodeConfig(config)).toThrow(
        expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: `input.${part}.secret` } }),
      );
    }
  });

  it.each(Object.values(Protocol))('refuses for %s what is no object', (protocol) => {
    for (const clientConfig of [null, undefined, [], 'x', 1]) {
      expect(() => checkNodeConfig({ protocol, clientConfig })).toThrow(
        expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: 'input.clientConfig' } }),
      );
    }
  });
});

describe('the demo data', () => {
  it('has a node of each protocol, and every app can use it', async () => {
    const services = await createTestServices();
    await seedDemo(services);
    const nodes = await services.db.node.findMany();
    await services.close();

    expect(new Set(nodes.map(({ protocol }) => protocol))).toEqual(new Set(Object.values(Protocol)));
    for (const node of nodes) expect(() => checkNodeConfig(node)).not.toThrow();
  });
});
