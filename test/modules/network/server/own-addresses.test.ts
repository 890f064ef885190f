import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createOwnAddresses } from '../../../../src/modules/network/server/own-addresses.ts';
import { buildServer } from '../../../support/factories.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

let services: TestServices;
beforeAll(async () => {
  services = await createTestServices();
  const addresses = [
    '198.51.100.7',
    '2001:DB8:0:0::7',
    '[2001:db8::8]',
    '::ffff:198.51.100.9',
    'edge.example',
  ];
  for (const address of addresses) await buildServer(services.db, { address });
});
afterAll(() => services?.close());

const resolve = async (name: string) => (name === 'edge.example' ? ['203.0.113.5', '2001:DB8:5::0005'] : []);

describe('createOwnAddresses', () => {
  it.each([
    '198.51.100.7',
    '::ffff:198.51.100.7',
    '2001:db8::7',
    '2001:0db8:0000:0000:0000:0000:0000:0007',
    '2001:db8::8',
    '198.51.100.9',
  ])('knows %s, in any spelling', async (ip) => {
    expect(await createOwnAddresses(services, { resolve }).has(ip)).toBe(true);
  });

  it.each(['203.0.113.5', '2001:db8:5::5'])('knows %s, by the host name of a server', async (ip) => {
    const ownAddresses = createOwnAddresses(services, { resolve });

    await vi.waitFor(async () => expect(await ownAddresses.has(ip)).toBe(true));
  });

  it.each(['198.51.100.8', '2001:db8::9', '203.0.113.6'])('does not know %s', async (ip) => {
    expect(await createOwnAddresses(services, { resolve }).has(ip)).toBe(false);
  });

  it('does not wait for a name server', async () => {
    const never = () => new Promise<string[]>(() => {});

    expect(await createOwnAddresses(services, { resolve: never }).has('198.51.100.7')).toBe(true);
  });
});
