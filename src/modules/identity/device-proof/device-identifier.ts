import { z } from 'zod';

/** What an app calls its installation: chosen by it, stable, 8 to 128 printable ASCII characters. A name, not a secret. */
export const DeviceIdentifier = z
  .string()
  .regex(/^[\x21-\x7e]([\x20-\x7e]{6,126})[\x21-\x7e]$/, 'must have 8 to 128 printable characters');
