/** A parameter that a tool wants to see in a header too (`x-mcp-header`, SEP-2243). */
export interface ParamAnnotation {
  /** What stands behind `Mcp-Param-`. */
  readonly header: string;
  /** Where the value is among the arguments. */
  readonly path: readonly string[];
}

const ANNOTATION = 'x-mcp-header';
/** Single values that every language writes alike: a `number` may be written in several ways. */
const TYPES: ReadonlySet<unknown> = new Set(['integer', 'string', 'boolean']);
/** RFC 9110 section 5.6.2; no honest header is longer. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

/** Keywords whose values are data: what looks like an annotation in there is none. */
const DATA = new Set(['default', 'const', 'enum', 'examples', 'example']);
/** Keywords whose keys are names that somebody chose: one called `x-mcp-header` is none. */
const BY_NAME = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions']);

/** Past that no annotation is looked for: the server then refuses the call, and nobody's stack runs out. */
const MOST_LEVELS = 64;
const MOST_SCHEMAS = 10_000;

/**
 * The annotations of an input schema; undefined where one breaks the rules: it stands at a text, an integer or a boolean
 * that `properties` alone lead to, and its name is a token that no other one has, in whichever case.
 */
export function headerAnnotations(schema: unknown): readonly ParamAnnotation[] | undefined {
  const search = new Search();
  return search.visit(schema, [], true) ? search.found : undefined;
}

/** One walk through a schema. Each step is false where a rule is broken. */
class Search {
  readonly found: ParamAnnotation[] = [];
  readonly #taken = new Set<string>();
  #schemas = 0;

  /** `reached`: by `properties` alone. */
  visit(value: unknown, path: readonly string[], reached: boolean): boolean {
    if (typeof value !== 'object' || value === null) return true;
    this.#schemas += 1;
    if (this.#schemas > MOST_SCHEMAS || path.length > MOST_LEVELS) return true;
    // A list of schemas, such as `oneOf`, has indices for keys.
    if (!Array.isArray(value) && Object.hasOwn(value, ANNOTATION) && !this.#take(value, path, reached)) return false;
    return Object.entries(value).every(([key, child]) => DATA.has(key) || this.#descend(key, child, path, reached));
  }

  #descend(key: string, child: unknown, path: readonly string[], reached: boolean): boolean {
    if (!BY_NAME.has(key)) return key === ANNOTATION || this.visit(child, [...path, key], false);
    if (typeof child !== 'object' || child === null) return true;
    const further = reached && key === 'properties';
    return Object.entries(child).every(([name, schema]) => this.visit(schema, [...path, name], further));
  }

  #take(schema: object, path: readonly string[], reached: boolean): boolean {
    const { [ANNOTATION]: header, type } = schema as Record<string, unknown>;
    if (!reached || path.length === 0 || typeof header !== 'string' || !TOKEN.test(header)) return false;
    const folded = header.toLowerCase();
    if (!TYPES.has(type) || this.#taken.has(folded)) return false;
    this.#taken.add(folded);
    this.found.push({ header, path });
    return true;
  }
}

/** The value at the end of a path of own keys; undefined where it leads nowhere. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}
