import { readFileSync } from 'node:fs';
import {
  astFromValue,
  buildSchema,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isNonNullType,
  isObjectType,
  isSpecifiedScalarType,
  isUnionType,
  print,
} from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { createSchema, printedSchema } from '../../src/schema.ts';

const contract = buildSchema(readFileSync(new URL('contract.graphql', import.meta.url), 'utf8'));
let schema: GraphQLSchema;

beforeAll(async () => {
  schema = await createSchema();
});

describe('the schema', () => {
  it('equals schema.graphql (run npm run schema to update it)', () => {
    const written = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');

    expect(printedSchema(schema)).toBe(written);
  });

  it('describes every type, field, argument, enum value and input field', () => {
    const mute = ownTypes(schema).flatMap((type) =>
      partsOf(type)
        .filter(({ description }) => !description?.trim())
        .map(({ name }) => name),
    );

    expect(mute).toEqual([]);
  });

  it('has nullable root fields in Query, and non-null ones in Mutation and Subscription', () => {
    const nullable = (type: GraphQLNamedType | null | undefined, wanted: boolean) =>
      fieldsOf(type)
        .filter((field) => isNonNullType(field.type) === wanted)
        .map(({ name }) => name);

    expect(nullable(schema.getQueryType(), true)).toEqual([]);
    expect(nullable(schema.getMutationType(), false)).toEqual([]);
    expect(nullable(schema.getSubscriptionType(), false)).toEqual([]);
  });

  it('has no Node interface and no payload wrapper', () => {
    const names = ownTypes(schema).map(({ name }) => name);

    expect(ownTypes(schema).filter(isInterfaceType)).toEqual([]);
    expect(names.filter((name) => /(Payload|Response|Result)$/.test(name) && name !== 'AuthPayload')).toEqual(
      [],
    );
    expect(fieldsOf(schema.getQueryType()).map(({ name }) => name)).not.toContain('node');
  });
});

describe('contract.graphql', () => {
  it('is fulfilled by every field that the schema has', () => {
    const broken = ownTypes(contract).flatMap((type) => differences(type, schema.getType(type.name)).broken);

    expect(broken).toEqual([]);
  });

  it('is fulfilled completely', () => {
    const missing = ownTypes(contract).flatMap(
      (type) => differences(type, schema.getType(type.name)).missing,
    );

    expect(missing).toEqual([]);
  });

  it('lists all error codes', () => {
    const codes = (of: GraphQLSchema) => {
      const type = of.getType('ErrorCode');
      return isEnumType(type) ? type.getValues().map(({ name }) => name) : [];
    };

    expect(codes(schema).sort()).toEqual(codes(contract).sort());
  });
});

interface Difference {
  broken: string[];
  missing: string[];
}

/** Finds parts of `wanted` that `built` lacks or changes incompatibly. */
function differences(wanted: GraphQLNamedType, built: GraphQLNamedType | undefined): Difference {
  if (!built) {
    const isRoot = /^(Query|Mutation|Subscription)$/.test(wanted.name);
    return {
      broken: [],
      missing: isRoot ? fieldsOf(wanted).map(({ name }) => `${wanted.name}.${name}`) : [wanted.name],
    };
  }
  if (wanted.constructor !== built.constructor)
    return { broken: [`${wanted.name}: another kind`], missing: [] };
  const found = new Map(partsOf(built).map((part) => [part.name, part]));
  const parts = partsOf(wanted);
  return {
    missing: parts.filter((part) => !found.has(part.name) && found.has(part.parent)).map(({ name }) => name),
    broken: [
      ...parts.flatMap(({ name, type }) => {
        const other = found.get(name)?.type;
        return other === undefined || other === type ? [] : [`${name}: ${other}, not ${type}`];
      }),
      ...additions(built, new Set(parts.map(({ name }) => name))),
    ],
  };
}

/** Finds new required arguments and input fields, which existing clients do not send. */
function additions(built: GraphQLNamedType, known: Set<string>): string[] {
  return partsOf(built)
    .filter(
      ({ name, parent, isInput, type }) =>
        isInput && known.has(parent) && !known.has(name) && type.endsWith('!'),
    )
    .map(({ name }) => `${name}: new, and required`);
}

interface Part {
  name: string;
  /** The part that must exist for this one to count as missing. */
  parent: string;
  type: string;
  isInput: boolean;
  description: string | null | undefined;
}

function partsOf(type: GraphQLNamedType): Part[] {
  const self: Part = { name: type.name, parent: '', type: '', isInput: false, description: type.description };
  if (isEnumType(type)) return [self, ...type.getValues().map((value) => part(type.name, '.', value, ''))];
  if (isUnionType(type)) return [self, ...type.getTypes().map((member) => part(type.name, '|', member, ''))];
  if (isInputObjectType(type))
    return [self, ...Object.values(type.getFields()).map((field) => input(type.name, '.', field))];
  return [
    self,
    ...fieldsOf(type).flatMap((field) => {
      const whole = part(type.name, '.', field, String(field.type));
      return [whole, ...field.args.map((argument) => input(whole.name, ':', argument))];
    }),
  ];
}

function part(
  parent: string,
  separator: string,
  { name, description }: { name: string; description?: string | null | undefined },
  type: string,
): Part {
  return { name: `${parent}${separator}${name}`, parent, type, isInput: false, description };
}

function input(parent: string, separator: string, field: GraphQLArgument | GraphQLInputField): Part {
  const value = field.defaultValue === undefined ? null : astFromValue(field.defaultValue, field.type);
  const type = `${String(field.type)}${value ? ` = ${print(value)}` : ''}`;
  return { ...part(parent, separator, field, type), isInput: true };
}

function ownTypes(of: GraphQLSchema): GraphQLNamedType[] {
  return Object.values(of.getTypeMap()).filter(
    (type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type),
  );
}

function fieldsOf(type: GraphQLNamedType | null | undefined): GraphQLField<unknown, unknown>[] {
  return isObjectType(type) ? Object.values(type.getFields()) : [];
}
