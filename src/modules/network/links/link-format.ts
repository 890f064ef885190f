import type { TemplateSyntax } from './link-template.ts';
import type { LinkedNode } from './node-settings.ts';

/** A subscription as a link describes it. */
export interface LinkContent {
  /** Named for people; names are unique. */
  nodes: readonly LinkedNode[];
  upload: bigint;
  download: bigint;
  /** Bytes; null is unlimited. */
  trafficLimit: bigint | null;
}

/** A way to write a subscription, for a kind of client. */
export interface LinkFormat {
  /** Value of `?format=`. */
  name: string;
  contentType: string;
  extension: string;
  /** Recognizes the clients that get it without asking. */
  userAgent?: RegExp;
  /**
   * Whether credentials stand in the document as they are, so that one document serves all
   * subscriptions of a plan.
   */
  isTemplate: boolean;
  /** How admins write templates for it; absent if its form is fixed. */
  template?: TemplateSyntax;
  /** @returns the document, and the number of nodes that it cannot express */
  render: (content: LinkContent) => { text: string; leftOut: number };
}

/** Makes names unique by numbers, because clients refer to nodes by name. */
export function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let count = 2; taken.has(free); count++) free = `${name} ${count}`;
    taken.add(free);
    return free;
  });
}

/** Renders each node, and counts those for which there is no rendering. */
export function renderEach<Rendered>(
  nodes: readonly LinkedNode[],
  render: (node: LinkedNode) => Rendered | null,
): { rendered: Rendered[]; leftOut: number } {
  const rendered = nodes.flatMap((node) => render(node) ?? []) as Rendered[];
  return { rendered, leftOut: nodes.length - rendered.length };
}
