import { LineCounter, parse, parseDocument, stringify } from 'yaml';
import type { LinkedNode } from './node-settings.ts';

/** How templates of a format are written, and what stands in their place. */
export interface TemplateSyntax {
  kind: 'YAML' | 'JSON' | 'LINES';
  /** Stands for `$names` if there are no nodes: clients refuse empty groups. */
  direct: string;
  /** @returns null for a node that the format cannot express */
  entryOf: (node: LinkedNode) => { name: string; entry: unknown } | null;
}

/** Values of the placeholders `$site` and `$plan`. */
export interface TemplateTexts {
  site: string;
  plan: string;
}

const PLACEHOLDERS = ['nodes', 'names', 'site', 'plan'];
/** `$$` is a dollar sign. */
const PLACEHOLDER = /\$(\$|[A-Za-z]+)/g;

/** Whether a text is a list entry that stands for others. */
const [NODES, NAMES] = ['$nodes', '$names'];

/**
 * Finds the first mistake in a template.
 *
 * @returns a message with its line; null if the template is valid
 */
export function findTemplateMistake({ kind }: TemplateSyntax, text: string): string | null {
  return findUnknown(text) ?? (kind === 'LINES' ? null : findInvalid(kind, text)) ?? findMissing(kind, text);
}

function findUnknown(text: string): string | null {
  for (const match of text.matchAll(PLACEHOLDER)) {
    const [found, name = ''] = match;
    if (name === '$' || PLACEHOLDERS.includes(name)) continue;
    const known = PLACEHOLDERS.map((placeholder) => `$${placeholder}`).join(', ');
    return `line ${lineAt(text, match.index)}: unknown placeholder ${found}; there are ${known}, and $$ for a dollar sign`;
  }
  return null;
}

function findInvalid(kind: 'YAML' | 'JSON', text: string): string | null {
  const lines = new LineCounter();
  // JSON is YAML, whose parser knows the lines.
  const [problem] = parseDocument(text, { lineCounter: lines, prettyErrors: false }).errors;
  if (problem) return `line ${lines.linePos(problem.pos[0]).line}: ${problem.message}`;
  try {
    const parsed = kind === 'JSON' ? JSON.parse(text) : parse(text);
    return typeof parsed === 'object' && parsed !== null ? null : `line 1: must be an object in ${kind}`;
  } catch (error) {
    const position = Number(/position (\d+)/.exec((error as Error).message)?.[1] ?? 0);
    return `line ${lineAt(text, position)}: ${(error as Error).message}`;
  }
}

/** Without the nodes, or with two lists of them, no client could use the document. */
function findMissing(kind: TemplateSyntax['kind'], text: string): string | null {
  const entries =
    kind === 'LINES' ? text.split('\n').map((line) => line.trim()) : stringsIn(parse(text) as unknown);
  const count = entries.filter((entry) => entry === NODES).length;
  if (count === 1) return null;
  const place = kind === 'LINES' ? 'a line' : 'a list entry';
  return `line 1: must contain ${place} ${NODES} exactly once, not ${count} times`;
}

const lineAt = (text: string, index: number) => text.slice(0, index).split('\n').length;

/** The entries of all lists. */
function stringsIn(value: unknown): unknown[] {
  if (Array.isArray(value))
    return value.flatMap((entry) => (typeof entry === 'string' ? entry : stringsIn(entry)));
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

/** Fills in a template without mistakes. */
export function renderTemplate(
  { kind, direct, entryOf }: TemplateSyntax,
  template: string,
  { nodes, texts }: { nodes: readonly LinkedNode[]; texts: TemplateTexts },
): { text: string; leftOut: number } {
  const entries = nodes.flatMap((node) => entryOf(node) ?? []);
  const names = entries.length > 0 ? entries.map(({ name }) => name) : [direct];
  const values = { nodes: entries.map(({ entry }) => entry), names, texts };
  const text =
    kind === 'LINES' ? fillLines(template, values) : write(kind, fillTree(parse(template), values));
  return { text, leftOut: nodes.length - entries.length };
}

interface Values {
  nodes: readonly unknown[];
  names: readonly string[];
  texts: TemplateTexts;
}

const write = (kind: 'YAML' | 'JSON', document: unknown) =>
  kind === 'YAML'
    ? stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 })
    : `${JSON.stringify(document, null, 2)}\n`;

function fillTree(value: unknown, values: Values): unknown {
  if (typeof value === 'string') return fillText(value, values);
  if (Array.isArray(value)) return value.flatMap((entry) => fillEntry(entry, values));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, fillTree(child, values)]));
}

function fillEntry(entry: unknown, values: Values): unknown[] {
  if (entry === NODES) return [...values.nodes];
  if (entry === NAMES) return [...values.names];
  return [fillTree(entry, values)];
}

const fillLines = (template: string, values: Values) =>
  template
    .split('\n')
    .flatMap((line) => (line.trim() === NODES ? values.nodes : fillText(line, values)))
    .join('\n');

const fillText = (text: string, { names, texts }: Values): string =>
  text.replace(PLACEHOLDER, (found, name: string) => {
    const values: Record<string, string> = { $: '$', names: names.join(', '), ...texts };
    return values[name] ?? found;
  });
