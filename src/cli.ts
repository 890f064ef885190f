import { text } from 'node:stream/consumers';
import { exitStatusOf, runCommand } from './cli/run.ts';

try {
  await runCommand(process.argv.slice(2), {
    show: (line) => process.stdout.write(`${line}\n`),
    say: (line) => process.stderr.write(`${line}\n`),
    readInput: async () => (await text(process.stdin)).replace(/\r?\n$/, ''),
    fail: () => {
      process.exitCode = 1;
    },
  });
} catch (error) {
  const { code, message } = exitStatusOf(error);
  process.stderr.write(`${message}\n`);
  process.exitCode = code;
}
