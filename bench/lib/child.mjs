import { fork } from 'node:child_process';
import { resolve } from 'node:path';

/**
 * Starts a helper process of a benchmark. `ask` sends it a job and settles with its next message.
 */
export function startChild(program) {
  const child = fork(resolve(program));
  const next = () =>
    new Promise((done, fail) => {
      const onExit = () => fail(new Error(`${program} has ended`));
      child.once('exit', onExit).once('message', (message) => {
        child.off('exit', onExit);
        if (message.error) fail(new Error(message.error));
        else done(message);
      });
    });
  return {
    next,
    ask: (job) => {
      const answer = next();
      child.send(job);
      return answer;
    },
    send: (job) => child.send(job),
    kill: () => child.kill(),
  };
}
