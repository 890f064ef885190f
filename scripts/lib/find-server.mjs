import { StepError } from './steps.mjs';

/**
 * Finds a running server, and the admin credentials for it from the environment.
 *
 * @returns undefined if TESSERA_URL is not set and no server runs on port 4000
 */
export async function findServer() {
  const { TESSERA_URL, ADMIN_EMAIL: email = 'admin@tessera.local', ADMIN_PASSWORD: password } = process.env;
  const url = (TESSERA_URL || 'http://127.0.0.1:4000').replace(/\/+$/, '');
  const status = await healthOf(url);
  if (status === 200) return { url, admin: { email, password }, stop: async () => {} };
  if (status !== undefined) throw new StepError(`Tessera at ${url} is not ready; see ${url}/readyz.`);
  if (TESSERA_URL) throw new StepError(`No Tessera server responds at ${url} (TESSERA_URL).`);
  console.log(`No Tessera server responds at ${url}. Starting a temporary one (about ten seconds) ...`);
  return undefined;
}

/** Not `URL.canParse`, which refuses letters such as `ü` in Node 20. */
function isUrl(text) {
  try {
    return Boolean(new URL(text));
  } catch {
    return false;
  }
}

/** The HTTP status of `/readyz`; undefined if the server is not Tessera. */
async function healthOf(url) {
  if (!/^https?:/.test(url) || !isUrl(url))
    throw new StepError(`TESSERA_URL: ${url} is not an http:// or https:// URL.`);
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) });
    const { postgres } = await response.json();
    return postgres === undefined ? undefined : response.status;
  } catch {
    return undefined;
  }
}
