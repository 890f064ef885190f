import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { isAllowedOrigin } from '../../../src/platform/http/origin.ts';

const to = (host: string) => ({ headers: { host } }) as IncomingMessage;

describe('isAllowedOrigin', () => {
  it.for([
    ['https://api.example', true],
    ['https://app.example', true],
    ['https://evil.example', false],
    ['https://app.example.evil.example', false],
    ['https://app.example:8443', false],
    ['http://app.example', false],
    ['null', false],
    ['', false],
    ['not an origin', false],
  ] as const)('returns for the origin %j: %s', ([origin, expected]) => {
    expect(isAllowedOrigin(origin, to('api.example'), ['https://app.example'])).toBe(expected);
  });
});
