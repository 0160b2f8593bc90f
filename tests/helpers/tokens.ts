import { Tiktoken } from 'js-tiktoken/lite';
import o200k from 'js-tiktoken/ranks/o200k_base';

let encoder: Tiktoken | undefined;

/**
 * How many tokens a model reads for this text, or for a value written as JSON without spaces, by o200k_base: an open
 * tokenizer (js-tiktoken), so that whoever wonders can count again. To be fed the whole result of a `tools/list`.
 */
export function countTokens(value: unknown): number {
  encoder ??= new Tiktoken(o200k);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // What looks like a control token in a description is text like any other.
  return encoder.encode(text, [], []).length;
}
