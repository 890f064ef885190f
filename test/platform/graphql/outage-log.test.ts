import { describe, expect, it, vi } from 'vitest';
import { createOutageLog } from '../../../src/platform/graphql/outage-log.ts';
import { inRequestScope } from '../../../src/platform/request-scope.ts';

const SCOPE = { requestId: 'r', ip: '192.0.2.1', userAgent: null };

describe('createOutageLog', () => {
  it('logs once for each request, however many fields fail', () => {
    const logOutage = createOutageLog();
    const log = { warn: vi.fn() };

    for (let request = 0; request < 3; request++)
      inRequestScope({ ...SCOPE }, () => {
        for (let field = 0; field < 20; field++) logOutage(new Error('away'), log);
      });

    expect(log.warn).toHaveBeenCalledTimes(3);
  });

  it('logs at a limited rate, with the number of lines that are missing', async () => {
    const logOutage = createOutageLog({ burst: 5, perSecond: 100 });
    const log = { warn: vi.fn() };
    const fail = () => inRequestScope({ ...SCOPE }, () => logOutage(new Error('away'), log));
    for (let request = 0; request < 1_000; request++) fail();
    const lines = log.warn.mock.calls.length;

    await vi.waitFor(() => {
      fail();
      expect(log.warn.mock.calls.length).toBeGreaterThan(lines);
    });

    expect(lines).toBeLessThan(100);
    expect(log.warn.mock.calls.at(-1)?.[0]).toMatchObject({ suppressed: expect.any(Number) });
  });
});
