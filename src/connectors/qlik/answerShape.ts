import * as z from 'zod';

/** The kinds of what stands in an answer. */
export const text = z.string();
export const number = z.number();
export const flag = z.boolean();
export const list = z.array(z.unknown());
/** A number, a text, null, or a number with its text. */
export const cell = z.unknown();

/**
 * What a tool answers with: the names that a model goes on from, and what each of them is, one level deep. A list of all tools has
 * so many tokens and no more: what is inside, and what is rarely there, isn't said. It may be there all the same, and any of
 * these may be missing where the tenant says nothing of it.
 */
export function answer(shape: Readonly<Record<string, z.ZodType>>): z.ZodObject {
  return z.looseObject(shape).partial();
}

/** A page of a list of the tenant's. */
export const page = answer({ data: list, nextCursor: text });
