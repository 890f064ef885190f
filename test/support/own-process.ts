import { randomUUID } from 'node:crypto';
import type { OwnProcess } from '../../src/platform/service-processes.ts';

export const newProcess = (role: string): OwnProcess => ({ id: randomUUID(), role });
