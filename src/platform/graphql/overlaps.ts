import {
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import { LIMITS, tooComplex } from './limits.ts';

/** Comparing two fields with sub-selections takes about ten times as long as two leaves. */
const COMPOSITE_PAIR = 10;

/** Selections of one place in the response. */
interface Level {
  /** Fields by response name; fields under the same name are merged. */
  fields: Map<string, FieldNode[]>;
  spreads: number;
}

/**
 * Enforces `comparisons`. GraphQL requires that fields with the same response name can be merged,
 * and graphql-js compares each pair of them, and each pair of fragments in a selection: 250 copies
 * of one field in a document of 4 KB take 50 ms. This counts the pairs, and refuses the document
 * before they are compared.
 */
export function checkOverlaps(
  context: ValidationContext,
  definitions: readonly (OperationDefinitionNode | FragmentDefinitionNode)[],
): void {
  const comparisons = new Comparisons(context);
  const excessive = definitions.find(
    ({ selectionSet }) => comparisons.in([selectionSet]) > LIMITS.comparisons,
  );
  const message = 'The document repeats the same fields or fragments too often.';
  if (excessive) context.reportError(tooComplex(message, excessive));
}

/** Counts selections and pairs, following fragments at each spread; stops above the limit. */
class Comparisons {
  readonly #context: ValidationContext;
  /** Fragments being followed within one level, which end at a fragment that spreads itself. */
  readonly #open = new Set<string>();
  #count = 0;

  constructor(context: ValidationContext) {
    this.#context = context;
  }

  in(selectionSets: readonly SelectionSetNode[], depth = 0): number {
    const level: Level = { fields: new Map(), spreads: 0 };
    for (const { selections } of selectionSets) this.#collect(selections, level);
    this.#count += pairsOf(level.spreads);
    for (const fields of level.fields.values()) {
      const below = fields.flatMap(({ selectionSet }) => selectionSet ?? []);
      this.#count += pairsOf(fields.length) * (below.length > 0 ? COMPOSITE_PAIR : 1);
      // Only a fragment that contains itself is deeper than a document can be.
      if (below.length > 0 && depth < LIMITS.tokens / 2 && !this.#isAboveLimit()) this.in(below, depth + 1);
    }
    return this.#count;
  }

  #isAboveLimit(): boolean {
    return this.#count > LIMITS.comparisons;
  }

  #collect(selections: readonly SelectionNode[], level: Level): void {
    for (const selection of selections) {
      this.#count += 1;
      if (this.#isAboveLimit()) return;
      if (selection.kind === Kind.FIELD) addTo(level.fields, selection);
      else if (selection.kind === Kind.INLINE_FRAGMENT)
        this.#collect(selection.selectionSet.selections, level);
      else this.#collectFragment(selection.name.value, level);
    }
  }

  #collectFragment(name: string, level: Level): void {
    level.spreads += 1;
    const fragment = this.#open.has(name) ? undefined : this.#context.getFragment(name);
    if (!fragment) return;
    this.#open.add(name);
    this.#collect(fragment.selectionSet.selections, level);
    this.#open.delete(name);
  }
}

function addTo(fields: Level['fields'], field: FieldNode): void {
  const name = (field.alias ?? field.name).value;
  const same = fields.get(name);
  if (same) same.push(field);
  else fields.set(name, [field]);
}

const pairsOf = (count: number) => (count * (count - 1)) / 2;
