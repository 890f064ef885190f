import { registerEnumType } from 'type-graphql';

/**
 * Makes the enum `<Name>OrderBy` of the ways in which a list can be sorted.
 *
 * @param sorts each with its `Sort`, the table that the verb takes it from
 * @param descriptions what each of them puts first
 */
export function OrderBy<Way extends string>(
  name: string,
  sorts: Record<Way, unknown>,
  descriptions: Record<Way, string>,
): Record<Way, Way> {
  const ways = Object.keys(sorts) as Way[];
  const OrderByEnum = Object.fromEntries(ways.map((way) => [way, way])) as Record<Way, Way>;
  registerEnumType(OrderByEnum, {
    name: `${name}OrderBy`,
    description: `How a list of ${name} is sorted.`,
    valuesConfig: Object.fromEntries(ways.map((way) => [way, { description: descriptions[way] }])) as Record<
      Way,
      { description: string }
    >,
  });
  return OrderByEnum;
}
