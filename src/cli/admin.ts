import { type AdminCredentials, createAdmin } from '../modules/lifecycle/admin/create-admin.ts';
import { resetAdmin } from '../modules/lifecycle/admin/reset-admin.ts';
import { type Command, needed, type Tools, UsageError, type Values } from './command.ts';

const options = { email: { type: 'string' }, 'password-stdin': { type: 'boolean' } } as const;

const help = `  --email <address>   how the admin logs in
  --password-stdin    take the password from standard input, else from ADMIN_PASSWORD;
                      without either it is a random one, shown once`;

export const adminCreate: Command = {
  name: 'admin create',
  summary: 'makes an account that may do everything',
  options,
  help,
  run: async (tools, values) =>
    showCredentials(tools, await createAdmin(tools.services, await given(tools, values))),
};

export const adminReset: Command = {
  name: 'admin reset',
  summary: 'gives an admin a new password, enables him, and ends his sessions',
  options,
  help,
  run: async (tools, values) =>
    showCredentials(tools, await resetAdmin(tools.services, await given(tools, values))),
};

async function given({ config, readInput }: Tools, values: Values) {
  const email = needed(values, 'email');
  if (!values['password-stdin']) return { email, password: config.ADMIN_PASSWORD };
  const password = await readInput();
  if (password === '') throw new UsageError('--password-stdin: nothing came on standard input.');
  return { email, password };
}

function showCredentials({ show }: Tools, { email, generatedPassword }: AdminCredentials): void {
  show(`Admin: ${email}${generatedPassword ? `, password ${generatedPassword} (shown this once)` : ''}`);
}
