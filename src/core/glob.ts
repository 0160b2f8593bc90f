/** A predicate for names from globs in which `*` stands for any run of characters. Case-sensitive. */
export function globs(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.length === 0) return () => false;
  const escaped = patterns.map((pattern) => pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*+/g, '.*'));
  const expression = new RegExp(`^(?:${escaped.join('|')})$`, 's');
  return (name) => expression.test(name);
}
