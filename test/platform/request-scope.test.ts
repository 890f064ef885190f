import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { inRequestScope, requestScope } from '../../src/platform/request-scope.ts';

const scope = (requestId: string) => ({ requestId, ip: '192.0.2.1', userAgent: null });

describe('inRequestScope', () => {
  it('is visible to everything that the work calls, even asynchronously', async () => {
    const seen = await inRequestScope(scope('a'), async () => {
      await setImmediate();
      return requestScope()?.requestId;
    });

    expect(seen).toBe('a');
  });

  it('isolates concurrent requests', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => String(index));
    const seen = await Promise.all(
      ids.map((id) => inRequestScope(scope(id), () => setImmediate().then(() => requestScope()?.requestId))),
    );

    expect(seen).toEqual(ids);
  });

  it('ends when the work returns', () => {
    inRequestScope(scope('a'), () => {});

    expect(requestScope()).toBeUndefined();
  });
});
