/** A ready-made operation. */
export interface Task {
  /** What it is for, in a few words. */
  title: string;
  /** A sentence or two: what to fill in, what comes back. */
  description: string;
  /** The operation as it is put into the editor, title and description on top. */
  document: string;
  /** Example variables as JSON; empty when there are none. */
  variables: string;
}

const VARIABLES = 'Variables:';

/**
 * Reads a file of operations/: a comment with the title, the description and, from a line `Variables:` on, example
 * variables as JSON; then the operation.
 *
 * @throws Error when there is no title, or the variables are no JSON
 */
export function readTask(text: string): Task {
  const lines = text.trim().split('\n');
  const end = lines.findIndex((line) => !line.startsWith('#'));
  const comment = lines.slice(0, Math.max(end, 0)).map((line) => line.replace(/^# ?/, ''));
  const start = comment.indexOf(VARIABLES);
  const [title = '', ...description] = start < 0 ? comment : comment.slice(0, start);
  if (title === '') throw new Error('A ready-made operation begins with a comment that is its title.');
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
