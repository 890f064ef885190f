import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main, StepError } from './lib/steps.mjs';

// npm run bench [-- names]: runs all benches or the named ones, on a PostgreSQL and Redis of their
// own. Options (--name=value) go to each bench; `reads` and `pushes` list theirs.
const BENCHES = {
  activation: () => import('../bench/activation.mjs').then((bench) => bench.activation()),
  agents: () => import('../bench/agents.mjs').then((bench) => bench.agents()),
  codes: () => import('../bench/codes.mjs').then((bench) => bench.codes()),
  connections: () => import('../bench/connections.mjs').then((bench) => bench.connections()),
  growth: () => import('../bench/growth.mjs').then((bench) => bench.growth()),
  links: () => import('../bench/links.mjs').then((bench) => bench.links()),
  nodes: () => import('../bench/nodes.mjs').then((bench) => bench.nodes()),
  pushes: (options) => import('../bench/pushes.mjs').then((bench) => bench.pushes(options)),
  reads: (options) => import('../bench/reads.mjs').then((bench) => bench.reads(options)),
  presence: () => import('../bench/presence.mjs').then((bench) => bench.presence()),
  redeem: () => import('../bench/redeem.mjs').then((bench) => bench.redeem()),
  storage: () => import('../bench/storage.mjs').then((bench) => bench.storage()),
  sweep: () => import('../bench/sweep.mjs').then((bench) => bench.sweep()),
  traffic: () => import('../bench/traffic.mjs').then((bench) => bench.traffic()),
};

await main(async () => {
  const { names, options } = argumentsOf(process.argv.slice(2));
  const wanted = names.length > 0 ? names : Object.keys(BENCHES);
  const unknown = wanted.find((name) => !(name in BENCHES));
  if (unknown)
    throw new StepError(`Unknown benchmark: ${unknown}. Available: ${Object.keys(BENCHES).join(', ')}.`);
  const release = endWithChildren();
  await install();
  await build();
  release();
  for (const name of wanted) await BENCHES[name](options);
});

function argumentsOf(given) {
  const isOption = (argument) => argument.startsWith('--');
  const options = given.filter(isOption).map((argument) => argument.slice(2).split('='));
  return { names: given.filter((argument) => !isOption(argument)), options: Object.fromEntries(options) };
}
