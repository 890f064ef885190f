import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Loaded into the process under attack: a signal has it say how much memory is left in use once garbage is gone.
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
let asked = 0;
process.on('SIGWINCH', () => {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  asked += 1;
  process.stdout.write(`inside ${asked} ${heapUsed + external}\n`);
});
