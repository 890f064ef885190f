import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './report.mjs';

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
/** Above this many busy cores, absolute figures are not comparable. */
const BUSY = 0.2;

/** Cores that are busy while the benchmark itself is idle. */
async function busyCores() {
  const [before, startedAt] = [machineMs(), performance.now()];
  await sleep(SAMPLE_MS);
  return (machineMs() - before) / (performance.now() - startedAt);
}

/** Prints how busy the machine is with other work; call it while the benchmark is idle. */
export async function sayBusy(when) {
  const cores = await busyCores();
  const warning = cores > BUSY ? ': a busy machine, so only the ratios mean anything' : '';
  say(`  ${cores.toFixed(2)} cores were busy with other work ${when} the run${warning}`);
}
