import { randomUUID } from 'node:crypto';

/** Builds an operation that selects a root field. @param name of the field: `Query.user` */
export const operationOf = (name: string, field: string) =>
  `${name.split('.')[0]?.toLowerCase()} { ${field} }`;

/** Replaces `$name` with the value of that name, or with the id of a missing object. */
export const fill = (selection: string, values: Record<string, string>) =>
  selection.replace(/\$(\w+)/g, (_, name: string) => JSON.stringify(values[name] ?? randomUUID()));
