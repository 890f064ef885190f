import { StepError } from './steps.mjs';

/** One that runs already, and how we would be its admin; undefined when none was named and none is there. */
export async function findServer() {
  const { TESSERA_URL, ADMIN_EMAIL: email = 'admin@tessera.local', ADMIN_PASSWORD: password } = process.env;
  const url = (TESSERA_URL || 'http://127.0.0.1:4000').replace(/\/+$/, '');
  const status = await healthOf(url);
  if (status === 200) return { url, admin: { email, password }, stop: async () => {} };
  if (status !== undefined)
    throw new StepError(`Tessera at ${url} is not ready to serve; ${url}/readyz says why.`);
  if (TESSERA_URL) throw new StepError(`No Tessera answers at ${url} (TESSERA_URL).`);
  console.log(`No Tessera answers at ${url}: starting one for this demo (some ten seconds).`);
  return undefined;
}

/** The HTTP status of its health; undefined when it is nothing of ours. */
async function healthOf(url) {
  if (!/^https?:/.test(url) || !URL.canParse(url))
    throw new StepError(`TESSERA_URL: ${url} is no http:// address.`);
  try {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) });
    const { postgres } = await answer.json();
    return postgres === undefined ? undefined : answer.status;
  } catch {
    return undefined;
  }
}
