import { describe, expect, it } from 'vitest';
import { ClockError, createClockGuard } from '../../../src/platform/database/clock-guard.ts';

const MINUTE_MS = 60_000;
const START = Date.UTC(2026, 0, 1);

/** A guard on a host whose clock and uptime the test moves, in minutes. */
function hostGuard() {
  const host = { clock: 0, uptime: 0 };
  const guard = createClockGuard({
    hostNow: () => START + host.clock * MINUTE_MS,
    uptime: () => host.uptime * MINUTE_MS,
  });
  /** Checks a time of PostgreSQL that is this far from the start. */
  const check = (minutes: number) => guard.check(new Date(START + minutes * MINUTE_MS));
  const pass = (minutes: number) => {
    host.clock += minutes;
    host.uptime += minutes;
  };
  return { host, check, pass };
}

describe('the clock guard', () => {
  it('accepts time that passes, and clocks that differ a little', () => {
    const { check, pass } = hostGuard();
    for (let hour = 0; hour < 5; hour += 1) {
      check(hour * 60);
      check(hour * 60 + 10);
      pass(60);
    }
  });

  it.each([
    [60 * 24 * 60, /is 86400 minutes ahead of that of this host/],
    [-20, /is 20 minutes behind that of this host/],
  ])('refuses a time %i minutes from the clock of the host', (minutes, message) => {
    const { check } = hostGuard();
    expect(() => check(minutes)).toThrow(message);
    check(0);
  });

  it('refuses a jump of both clocks while it is new, and until they come back', () => {
    const { host, check, pass } = hostGuard();
    check(0);
    host.clock = 1_000;
    expect(() => check(1_000)).toThrow(/has jumped forward/);
    pass(10);
    expect(() => check(1_010)).toThrow(ClockError);
    host.clock = 11;
    host.uptime = 11;
    check(11);
  });

  it('accepts the correction of clocks that were wrong after fifteen minutes', () => {
    const { host, check, pass } = hostGuard();
    check(0);
    host.clock = 1_000;
    expect(() => check(1_000)).toThrow(ClockError);
    pass(16);
    check(1_016);
  });
});
