import { randomUUID } from 'node:crypto';

/** The operation that asks for a root field, as `Query.user`. */
export const operationOf = (name: string, field: string) =>
  `${name.split('.')[0]?.toLowerCase()} { ${field} }`;

/** Puts the things in the places of their names; what is not among them is the id of nothing. */
export const fill = (ask: string, things: Record<string, string>) =>
  ask.replace(/\$(\w+)/g, (_, name: string) => JSON.stringify(things[name] ?? randomUUID()));
