export interface Mutant {
  name: string;
  edits: readonly { file: string; find: string; replace: string }[];
  tests: readonly string[];
}
export const MUTANTS: readonly Mutant[];
