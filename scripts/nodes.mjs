import { join } from 'node:path';
import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main, must, root, timed } from './lib/steps.mjs';

/** The newest releases of the supported lines when this list was last changed. */
const VERSIONS = ['22.23.3', '24.21.0', '26.10.0'];

// npm run test:nodes: with each supported version of Node, starts the service, logs in, redeems a
// code and follows the order on a websocket. The versions are installed from the package registry.
await main(async () => {
  endWithChildren();
  await install();
  await build();
  for (const version of VERSIONS) {
    const directory = join(root, '.cache/nodes', version);
    const args = ['install', '--prefix', directory, '--no-audit', '--no-fund', `node@${version}`];
    await timed(`Installing Node ${version}`, () => must('npm install', 'npm', args));
    const node = join(directory, 'node_modules/node/bin/node');
    await timed(`Redeeming a code with Node ${version}`, () => must('The demo', node, ['scripts/demo.mjs']));
  }
});
