import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Preloaded into the attacked process. On SIGWINCH it prints the memory in use after garbage
// collection.
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
let asked = 0;
process.on('SIGWINCH', () => {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  asked += 1;
  process.stdout.write(`inside ${asked} ${heapUsed + external}\n`);
});
