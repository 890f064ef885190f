import { FILE_VARIABLES, VARIABLES } from './config.ts';

const COLUMNS = 100;

/** Prints `.env.example`: all variables, commented out, with their descriptions and defaults. */
export function printedEnvExample(): string {
  const variables = Object.entries(VARIABLES).map(([name, schema]) => {
    const parsed = schema.safeParse(undefined);
    const isReadable = parsed.success && parsed.data !== undefined;
    return [...wrap(schema.description ?? ''), `# ${name}=${isReadable ? textOf(parsed.data) : ''}`].join(
      '\n',
    );
  });
  const files = `${FILE_VARIABLES.slice(0, -1).join(', ')} and ${FILE_VARIABLES.at(-1)}`;
  const head = wrap(
    `All settings, with their defaults. Lines without # take effect if the file is passed to the process, for example with node --env-file or in compose.yaml. Instead of ${files}, the path of a file can be set in the variable with _FILE added to its name.`,
  );
  return `${[head.join('\n'), ...variables].join('\n\n')}\n`;
}

const textOf = (value: unknown) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value));

function wrap(text: string): string[] {
  const lines = ['#'];
  for (const word of text.split(' ')) {
    const line = `${lines.at(-1)} ${word}`;
    if (line.length <= COLUMNS) lines[lines.length - 1] = line;
    else lines.push(`# ${word}`);
  }
  return lines;
}
