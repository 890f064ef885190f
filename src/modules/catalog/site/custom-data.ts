import { z } from 'zod';
import type { Prisma } from '../../../generated/prisma/client.ts';

const LARGEST_BYTES = 32 * 1024;

/**
 * Free-form JSON that comes back as it was given: an object of 32 KiB at most. What JSON or JavaScript would change on the
 * way is refused rather than stored as something else.
 */
export const CustomData = z
  .custom<Prisma.InputJsonObject>(isObject, 'must be a JSON object')
  .superRefine((data, context) => {
    const problem = unkept(data) ?? tooLarge(data);
    if (problem) context.addIssue({ code: 'custom', message: problem });
  });

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unkept(value: unknown): string | undefined {
  if (typeof value === 'number') return unkeptNumber(value);
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, child] of Object.entries(value)) {
    const problem = key === '__proto__' ? 'must not have a key `__proto__`' : unkept(child);
    if (problem) return problem;
  }
  return undefined;
}

function unkeptNumber(number: number): string | undefined {
  const isKept = Number.isInteger(number) ? Number.isSafeInteger(number) : Number.isFinite(number);
  return isKept ? undefined : 'has a number that would lose digits: write it as a text';
}

function tooLarge(data: object): string | undefined {
  const bytes = Buffer.byteLength(JSON.stringify(data));
  return bytes > LARGEST_BYTES ? `must have at most ${LARGEST_BYTES} bytes as JSON, not ${bytes}` : undefined;
}
