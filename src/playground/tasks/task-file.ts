/** A ready-made operation. */
export interface Task {
  title: string;
  /** One or two sentences about the variables, the result or side effects. */
  description: string;
  /** The text for the editor: title and description as a comment, then the operation. */
  document: string;
  /** Example variables as JSON; empty if the operation has none. */
  variables: string;
}

const VARIABLES = 'Variables:';

/**
 * Parses a file of operations/. It starts with a comment: the title, the description and, after a
 * line `Variables:`, example variables as JSON. The operation follows.
 *
 * @throws Error if the title is missing or the variables are not valid JSON
 */
export function readTask(text: string): Task {
  const lines = text.trim().split('\n');
  const end = lines.findIndex((line) => !line.startsWith('#'));
  const comment = lines.slice(0, Math.max(end, 0)).map((line) => line.replace(/^# ?/, ''));
  const start = comment.indexOf(VARIABLES);
  const [title = '', ...description] = start < 0 ? comment : comment.slice(0, start);
  if (title === '')
    throw new Error('A ready-made operation must start with a comment that contains its title.');
  const operation = lines.slice(end).join('\n').trim();
  const sentences = description.join(' ').trim();
  const heading = [title, sentences].map((line) => `# ${line}`).join('\n');
  return {
    title,
    description: sentences,
    document: `${heading}\n\n${operation}\n`,
    variables: start < 0 ? '' : formatJson(comment.slice(start + 1).join('\n')),
  };
}

function formatJson(json: string): string {
  return JSON.stringify(JSON.parse(json), null, 2);
}
