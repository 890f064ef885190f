import { type AdminCredentials, createAdmin } from '../modules/lifecycle/admin/create-admin.ts';
import { resetAdmin } from '../modules/lifecycle/admin/reset-admin.ts';
import { type Command, requiredOption, type Tools, UsageError, type Values } from './command.ts';

const options = { email: { type: 'string' }, 'password-stdin': { type: 'boolean' } } as const;

const help = `  --email <address>   the admin's e-mail address, used to log in
  --password-stdin    read the password from standard input; otherwise it is taken from
                      ADMIN_PASSWORD, or generated and shown once`;

export const adminCreate: Command = {
  needs: 'services',
  name: 'admin create',
  summary: 'creates an account with full access',
  options,
  help,
  run: async (tools, values) =>
    showCredentials(tools, await createAdmin(tools.services, await readCredentials(tools, values))),
};

export const adminReset: Command = {
  needs: 'services',
  name: 'admin reset',
  summary:
    'sets a new password for an admin, enables the account, and revokes its sessions, link codes and devices',
  options,
  help,
  run: async (tools, values) =>
    showCredentials(tools, await resetAdmin(tools.services, await readCredentials(tools, values))),
};

async function readCredentials({ config, readInput }: Tools, values: Values) {
  const email = requiredOption(values, 'email');
  if (!values['password-stdin']) return { email, password: config.ADMIN_PASSWORD };
  const password = await readInput();
  if (password === '') throw new UsageError('--password-stdin: standard input is empty.');
  return { email, password };
}

function showCredentials({ show }: Tools, { email, generatedPassword }: AdminCredentials): void {
  show(`Admin: ${email}${generatedPassword ? `, password ${generatedPassword} (shown only once)` : ''}`);
}
