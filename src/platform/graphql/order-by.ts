import { registerEnumType } from 'type-graphql';

/**
 * Defines the enum `<Name>OrderBy`, with one value per sort order of a list.
 *
 * @param sorts the sort orders by name, from the table that the list verb uses
 * @param descriptions of the values: which entry each order puts first
 */
export function OrderBy<Name extends string>(
  name: string,
  sorts: Record<Name, unknown>,
  descriptions: Record<Name, string>,
): Record<Name, Name> {
  const names = Object.keys(sorts) as Name[];
  const OrderByEnum = Object.fromEntries(names.map((value) => [value, value])) as Record<Name, Name>;
  registerEnumType(OrderByEnum, {
    name: `${name}OrderBy`,
    description: `Sort orders for lists of ${name}.`,
    valuesConfig: Object.fromEntries(
      names.map((value) => [value, { description: descriptions[value] }]),
    ) as Record<Name, { description: string }>,
  });
  return OrderByEnum;
}
