import { bundleAgent } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main } from './lib/steps.mjs';

// npm run agent -- settings.yml: runs the agent of this machine.
await main(async () => {
  const release = endWithChildren();
  await install();
  await bundleAgent();
  release();
});

await import('../dist/agent/tessera-agent.mjs');
