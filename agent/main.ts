import { Agent } from './agent.ts';
import { TokenRevoked } from './api/api.ts';
import { log, messageOf } from './log.ts';
import { readSettings, SettingsError } from './settings.ts';
import { VERSION } from './status.ts';

// npm run agent -- settings.yml: carries the traffic of one server. See docs/agents.md.

/** EX_CONFIG: starting again does not help until a person has changed something. */
const NEEDS_PERSON = 78;

async function main([file]: readonly string[]): Promise<void> {
  if (file === undefined || file === '--help')
    throw new SettingsError(`usage: tessera-agent <settings.yml>; agent/settings.example.yml is an example`);
  if (file === '--version') return void process.stdout.write(`${VERSION}\n`);
  const settings = readSettings(file);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  log(`connecting to ${settings.url}`);
  await new Agent(settings, log).run(stop.signal);
  log('stopped');
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const isMistake = error instanceof SettingsError || error instanceof TokenRevoked;
  const message =
    error instanceof TokenRevoked ? `The API rejected the token: ${error.message}` : messageOf(error);
  const trace = error instanceof Error ? error.stack : undefined;
  process.stderr.write(`${isMistake ? message : (trace ?? message)}\n`);
  // Ports may still be held. A core that is left runs on until the next start takes over from it.
  process.exit(isMistake ? NEEDS_PERSON : 1);
}
