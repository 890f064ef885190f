import { ArgsType, type ClassType, Field, Int, ObjectType } from 'type-graphql';
import type { Page, PageArguments } from '../pagination/page.ts';

/** Where a page lies within its list. */
@ObjectType({ description: 'Where a page lies within its list.' })
class PageInfo {
  @Field(() => Boolean, { description: 'Whether there are entries after this page.' })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: 'Whether there are entries before this page.' })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: 'Cursor of the first entry; null on an empty page.' })
  startCursor!: string | null;

  @Field(() => String, { nullable: true, description: 'Cursor of the last entry; null on an empty page.' })
  endCursor!: string | null;
}

/** The four arguments that every list takes. */
@ArgsType()
export class PageArgs implements PageArguments {
  @Field(() => Int, {
    nullable: true,
    description: 'How many entries from the start, 1-100; absent or null: 20.',
  })
  first?: number | null;

  @Field(() => String, { nullable: true, description: 'Only entries after this cursor.' })
  after?: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many entries from the end, 1-100; not beside `first`.',
  })
  last?: number | null;

  @Field(() => String, { nullable: true, description: 'Only entries before this cursor.' })
  before?: string | null;
}

/**
 * Makes the types `<Name>Connection` and `<Name>Edge`.
 *
 * @returns the connection class; `Page<Row>` has its shape
 */
export function Connection<Row extends object>(Node: ClassType<Row>, name: string): ClassType<Page<Row>> {
  @ObjectType(`${name}Edge`, { description: `An entry of a list of ${name}.` })
  class Edge {
    @Field(() => String, { description: 'Where this entry stands; for `after` and `before`.' })
    cursor!: string;

    @Field(() => Node, { description: 'The entry itself.' })
    node!: Row;
  }

  @ObjectType(`${name}Connection`, { description: `A page of a list of ${name}.` })
  class PageOf {
    @Field(() => [Edge], { description: 'The entries of this page, each with its cursor.' })
    edges!: Edge[];

    @Field(() => [Node], { description: 'The entries of this page.' })
    nodes!: Row[];

    @Field(() => PageInfo, { description: 'Whether there is more, and where.' })
    pageInfo!: PageInfo;

    @Field(() => Int, { description: 'How many entries the whole list has.' })
    totalCount!: Promise<number>;
  }
  return PageOf;
}
