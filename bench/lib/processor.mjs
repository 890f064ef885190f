import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const TICK_MS = 10;

/** Processor time of a process since its start, in milliseconds, with all of its threads. */
export function processorMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in parentheses, may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Busy processor time of the whole machine since its start, in milliseconds. */
function machineMs() {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) * TICK_MS;
}

const SAMPLE_MS = 2_000;

/** Cores that are busy while the benchmark itself is idle. */
export async function busyCores() {
  const [before, startedAt] = [machineMs(), performance.now()];
  await sleep(SAMPLE_MS);
  return (machineMs() - before) / (performance.now() - startedAt);
}
