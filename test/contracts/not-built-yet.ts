/**
 * What the contract promises and the schema does not have yet: whole types, else `Type.field`, `Type.field:argument`,
 * `Enum.VALUE`. Whoever builds a part takes its line out; the list ends empty.
 */
export const NOT_BUILT_YET: readonly string[] = [];
