import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'vitest';

/** A measured value with its bounds. */
export interface Figure {
  name: string;
  value: number;
  unit?: string;
  atMost?: number;
  atLeast?: number;
  exactly?: number;
}

/**
 * Checks the figures against their bounds, and appends them to the report of `npm run test:faults`.
 */
export function figures(procedure: string, measured: readonly Figure[]): void {
  const file = process.env.FAULTS_REPORT;
  if (file) {
    mkdirSync(dirname(file), { recursive: true });
    for (const figure of measured) {
      appendFileSync(
        file,
        `${JSON.stringify({ procedure, ...figure, bound: boundOf(figure), ok: isWithinBounds(figure) })}\n`,
      );
    }
  }
  const violations = measured.filter((figure) => !isWithinBounds(figure));
  expect(
    violations.map((figure) => `${procedure}: ${figure.name} is ${figure.value}, not ${boundOf(figure)}`),
  ).toEqual([]);
}

function isWithinBounds({ value, atMost, atLeast, exactly }: Figure): boolean {
  return (
    (atMost === undefined || value <= atMost) &&
    (atLeast === undefined || value >= atLeast) &&
    (exactly === undefined || value === exactly)
  );
}

function boundOf({ atMost, atLeast, exactly }: Figure): string {
  if (exactly !== undefined) return `${exactly}`;
  return [atLeast !== undefined && `at least ${atLeast}`, atMost !== undefined && `at most ${atMost}`]
    .filter(Boolean)
    .join(', ');
}
