import { ArgsType, type ClassType, Field, Int, ObjectType } from 'type-graphql';
import type { Page, PageArguments } from '../pagination/page.ts';

@ObjectType({ description: 'Position of a page within its list, by the Relay cursor specification.' })
class PageInfo {
  @Field(() => Boolean, { description: 'Whether more entries follow this page.' })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: 'Whether entries precede this page.' })
  hasPreviousPage!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'Cursor of the first entry, for `before`; null if the page is empty.',
  })
  startCursor!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Cursor of the last entry, for `after`; null if the page is empty.',
  })
  endCursor!: string | null;
}

/** Arguments of every paginated list. */
@ArgsType()
export class PageArgs implements PageArguments {
  @Field(() => Int, {
    nullable: true,
    description: 'Page size counted from the start of the list, 1–100. Defaults to 20.',
  })
  first?: number | null;

  @Field(() => String, { nullable: true, description: 'Returns entries after this cursor.' })
  after?: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Page size counted from the end of the list, 1–100. Cannot be combined with `first`.',
  })
  last?: number | null;

  @Field(() => String, { nullable: true, description: 'Returns entries before this cursor.' })
  before?: string | null;
}

/**
 * Defines the types `<Name>Connection` and `<Name>Edge`.
 *
 * @returns the connection class, whose shape is `Page<Row>`
 */
export function Connection<Row extends object>(Node: ClassType<Row>, name: string): ClassType<Page<Row>> {
  @ObjectType(`${name}Edge`, { description: `An entry of ${name}Connection, with its cursor.` })
  class Edge {
    @Field(() => String, { description: 'Opaque position of the entry, for `after` and `before`.' })
    cursor!: string;

    @Field(() => Node, { description: 'The entry at this position.' })
    node!: Row;
  }

  @ObjectType(`${name}Connection`, { description: `A page of ${name} entries.` })
  class PageOf {
    @Field(() => [Edge], { description: 'Entries of this page with their cursors.' })
    edges!: Edge[];

    @Field(() => [Node], {
      description: 'Entries of this page without cursors, in the same order as `edges`.',
    })
    nodes!: Row[];

    @Field(() => PageInfo, { description: 'Position of this page, for requesting the next or previous one.' })
    pageInfo!: PageInfo;

    @Field(() => Int, { description: 'Number of entries in the whole list, across all pages.' })
    totalCount!: Promise<number>;
  }
  return PageOf;
}
