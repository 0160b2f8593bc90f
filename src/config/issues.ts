import * as z from 'zod';
import type { Fault } from '../core/errors.js';
import { nearest } from '../core/text.js';
import { faultAt, find, placeAt, type Tree } from './tree.js';

/** The faults of `tree` by `schema`: one for each issue and unknown key, at the place where it is written. */
export function faultsOf(issues: readonly z.core.$ZodIssue[], schema: z.ZodType, tree: Tree): Fault[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return unknownKeys(issue, schema, tree);
    return [faultAt(placeAt(tree, issue.path), messageOf(issue, find(tree, issue.path) !== undefined))];
  });
}

function unknownKeys(issue: z.core.$ZodIssueUnrecognizedKeys, schema: z.ZodType, tree: Tree): Fault[] {
  const known = knownKeys(schema, issue.path);
  return issue.keys.map((key) => {
    const hint = meant(key, known) ?? (known.length > 0 ? `Known here: ${known.join(', ')}.` : undefined);
    return faultAt(placeAt(tree, [...issue.path, key]), 'is not a known key', hint);
  });
}

/** The question that a near miss deserves. */
export function meant(word: string, candidates: Iterable<string>): string | undefined {
  const near = nearest(word, candidates);
  return near === undefined ? undefined : `did you mean "${near}"?`;
}

/** The library's texts name types and patterns, never the value. */
function messageOf(issue: z.core.$ZodIssue, isWritten: boolean): string {
  if (issue.code === 'invalid_type' && !isWritten) return 'is required';
  if (issue.code === 'invalid_union') return unionMessage(issue, isWritten);
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? 'is not a legal name';
  if (
    issue.code === 'invalid_format' &&
    issue.message.startsWith('Invalid string') &&
    issue.pattern === String(/^\d+$/)
  ) {
    return 'must be a whole number';
  }
  return issue.message.replace(/^Invalid (?:input|option): expected/, 'must be').replace(/, received/, ', not');
}

/** Numbers and flags may also be written as text: what is wrong with the text says more than that it is text. */
function unionMessage(issue: z.core.$ZodIssueInvalidUnion, isWritten: boolean): string {
  const alternatives = issue.errors.flat();
  const closest = alternatives.find(({ code }) => code !== 'invalid_type') ?? alternatives[0];
  return closest ? messageOf(closest, isWritten) : 'has none of the forms that it may have';
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

/** The keys that a schema has at `path`, whatever wraps the object there. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const found = path.reduce<readonly JsonSchema[]>(
    (level, key) => level.flatMap((each) => step(each, key)),
    variants(root),
  );
  return [...new Set(found.flatMap((each) => Object.keys(each.properties ?? {})))];
}

function variants(schema: JsonSchema): readonly JsonSchema[] {
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return [schema, ...inner.flatMap(variants)];
}

function step(schema: JsonSchema, key: PropertyKey): readonly JsonSchema[] {
  const { properties = {}, additionalProperties, items } = schema;
  const named = Object.hasOwn(properties, key) ? properties[String(key)] : undefined;
  const next = named ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined) ?? items;
  return next ? variants(next) : [];
}
