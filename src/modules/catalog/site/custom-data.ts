import { z } from 'zod';
import type { Prisma } from '../../../generated/prisma/client.ts';

const MAX_BYTES = 32 * 1024;

/**
 * Validates free-form JSON that must survive a round trip unchanged: an object of at most 32 KiB.
 * Values that parsing would alter, such as integers beyond 2^53 and `__proto__` keys, are rejected
 * instead of being stored altered.
 */
export const CustomData = z
  .custom<Prisma.InputJsonObject>(isObject, 'must be a JSON object')
  .superRefine((data, context) => {
    const problem = findLossy(data) ?? findExcess(data);
    if (problem) context.addIssue({ code: 'custom', message: problem });
  });

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function findLossy(value: unknown): string | undefined {
  if (typeof value === 'number') return findLossyNumber(value);
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, child] of Object.entries(value)) {
    const problem = key === '__proto__' ? 'must not contain the key `__proto__`' : findLossy(child);
    if (problem) return problem;
  }
  return undefined;
}

function findLossyNumber(number: number): string | undefined {
  const isExact = Number.isInteger(number) ? Number.isSafeInteger(number) : Number.isFinite(number);
  return isExact ? undefined : 'contains a number that would lose digits: use a string instead';
}

function findExcess(data: object): string | undefined {
  const bytes = Buffer.byteLength(JSON.stringify(data));
  return bytes > MAX_BYTES ? `must have at most ${MAX_BYTES} bytes as JSON, not ${bytes}` : undefined;
}
