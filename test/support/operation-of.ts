import { randomUUID } from 'node:crypto';

/** Builds an operation that selects a root field, given as `Query.user`. */
export const operationOf = (name: string, field: string) =>
  `${name.split('.')[0]?.toLowerCase()} { ${field} }`;

/** Replaces `$name` by the id of that name, or by an id that does not exist. */
export const fill = (ask: string, things: Record<string, string>) =>
  ask.replace(/\$(\w+)/g, (_, name: string) => JSON.stringify(things[name] ?? randomUUID()));
