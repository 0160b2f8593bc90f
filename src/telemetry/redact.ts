/** Shorter ones would take innocent words with them. Characters. */
const SHORTEST = 6;
/** Lines of a long value that are looked for one by one, since others may write it line by line. */
const SHORTEST_LINE = 16;
const MAX_LINES = 200;

/**
 * Takes these values out of a text, in whatever form they may stand there: as they are, in JSON, in a URL. Undefined where
 * there is nothing to take out, so that nobody pays for it.
 */
export function redactor(values: readonly string[]): ((text: string) => string) | undefined {
  const forms = new Set(values.flatMap(formsOf).filter((form) => form.length >= SHORTEST));
  if (forms.size === 0) return undefined;
  // The longest first: one value may begin with another.
  const sorted = [...forms].sort((one, other) => other.length - one.length);
  const pattern = new RegExp(sorted.map((form) => form.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g');
  return (text) => text.replace(pattern, '[redacted]');
}

function formsOf(value: string): string[] {
  const lines = value.split(/\r?\n/, MAX_LINES + 1);
  const parts =
    lines.length > 1 && lines.length <= MAX_LINES ? lines.filter(({ length }) => length >= SHORTEST_LINE) : [];
  return [value, value.trim(), ...parts].flatMap((text) => [text, JSON.stringify(text).slice(1, -1), uriForm(text)]);
}

/** Half a surrogate pair, which no URL can hold, is replaced. */
function uriForm(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString());
}
