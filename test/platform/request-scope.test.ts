import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { inRequestScope, requestScope } from '../../src/platform/request-scope.ts';

const scope = (requestId: string) => ({ requestId, ip: '192.0.2.1', userAgent: null });

describe('inRequestScope', () => {
  it('is found by whatever the work calls, however late', async () => {
    const seen = await inRequestScope(scope('a'), async () => {
      await setImmediate();
      return requestScope()?.requestId;
    });

    expect(seen).toBe('a');
  });

  it('keeps requests apart that run at the same time', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => String(index));
    const seen = await Promise.all(
      ids.map((id) => inRequestScope(scope(id), () => setImmediate().then(() => requestScope()?.requestId))),
    );

    expect(seen).toEqual(ids);
  });

  it('ends with the work', () => {
    inRequestScope(scope('a'), () => {});

    expect(requestScope()).toBeUndefined();
  });
});
