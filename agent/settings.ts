import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';

const seconds = (least: number, most: number) => z.number().min(least).max(most);

const Settings = z.strictObject({
  /** URL of the API, without a path. */
  url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }),
  /** The token of the server. */
  token: z.string().regex(/^srv_/, 'must be the token of a server: srv_…').optional(),
  /** A file with the token, instead of `token`. */
  tokenFile: z.string().optional(),
  /** Folder for the journal of traffic, the list of users and the core's files. */
  state: z.string().default('/var/lib/tessera-agent'),
  core: z
    .strictObject({
      program: z.enum(['v2ray', 'xray']).default('v2ray'),
      /** The program and its first arguments; by default it is found in PATH. */
      command: z.array(z.string()).min(1).optional(),
    })
    .prefault({}),
  /** For TLS nodes whose certificate is not in `serverConfig`. */
  certificate: z.strictObject({ certificateFile: z.string(), keyFile: z.string() }).optional(),
  /** Whether clients come through a CDN, whose requests name their addresses. */
  behindProxy: z.boolean().default(false),
  /** How often the core's counters are saved: what a crash of the core loses at most. */
  countSeconds: seconds(0.5, 60).default(2),
  /** How often traffic is reported. */
  reportSeconds: seconds(1, 300).default(10),
});

/** The settings file of an agent. */
export type Settings = Omit<z.output<typeof Settings>, 'token' | 'tokenFile'> & { token: string };

/** A mistake in the settings, which a person has to correct. */
export class SettingsError extends Error {}

/**
 * Reads a settings file in YAML or JSON. Relative paths are relative to its folder.
 *
 * @throws SettingsError that names the line or the field
 */
export function readSettings(file: string): Settings {
  const document = parseDocument(readText(file));
  const [problem] = document.errors;
  if (problem) throw new SettingsError(`${file}: ${problem.message}`);
  const parsed = Settings.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'file'}: ${message}`);
    throw new SettingsError(`${file}: ${issues.join('; ')}`);
  }
  const { token, tokenFile, certificate, ...settings } = parsed.data;
  const at = (path: string) => resolve(dirname(file), path);
  const secret = token ?? (tokenFile === undefined ? undefined : readText(at(tokenFile)).trim());
  if (!secret)
    throw new SettingsError(`${file}: token or tokenFile must be set; createServer returns a token`);
  return {
    ...settings,
    token: secret,
    state: at(settings.state),
    ...(certificate && {
      certificate: { certificateFile: at(certificate.certificateFile), keyFile: at(certificate.keyFile) },
    }),
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new SettingsError(`${file}: ${(error as Error).message}`);
  }
}
