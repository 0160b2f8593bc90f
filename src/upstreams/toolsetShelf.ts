import type { ToolChoice, ToolState, ToolSwitches } from '../contracts/toolSwitches.js';
import type { Tool } from '../contracts/tools.js';
import { globs } from '../core/glob.js';
import type { Selection } from './toolSelection.js';
import { isRepeatable, type ListedTool, listedTool } from './toolsetSchema.js';

interface Place {
  readonly tool: Tool;
  readonly listed: ListedTool;
  enabled: boolean;
}

/** The tools of a destination, and which of them are on. What lists show of them is made once. */
export class ToolShelf implements ToolSwitches {
  readonly #places = new Map<string, Place>();
  readonly #changed: () => void;
  #listed: readonly ListedTool[] | undefined;

  /** `changed` is called when another tool is to be seen, or one no longer. */
  constructor(tools: readonly Tool[], selection: Selection, changed: () => void) {
    this.#changed = changed;
    const isSelected = selectedTools(selection);
    for (const tool of tools) {
      if (this.#places.has(tool.name)) throw new TypeError(`two tools are called ${tool.name}`);
      if (isSelected(tool)) this.#places.set(tool.name, { tool, listed: listedTool(tool), enabled: true });
    }
  }

  /** Undefined for what isn't there, or is switched off. */
  tool(name: string): Tool | undefined {
    const place = this.#places.get(name);
    return place?.enabled ? place.tool : undefined;
  }

  isRepeatable(name: string): boolean {
    const tool = this.tool(name);
    return tool !== undefined && isRepeatable(tool);
  }

  get listed(): readonly ListedTool[] {
    this.#listed ??= [...this.#places.values()].filter(({ enabled }) => enabled).map(({ listed }) => listed);
    return this.#listed;
  }

  list(): readonly ToolState[] {
    return [...this.#places.values()].map(stateOf);
  }

  turn(choice: ToolChoice, enabled: boolean): readonly ToolState[] | undefined {
    const chosen = [...this.#places.values()].filter(({ tool }) =>
      'tool' in choice ? tool.name === choice.tool : tool.category === choice.category,
    );
    if (chosen.length === 0) return undefined;
    const others = chosen.filter((place) => place.enabled !== enabled);
    for (const place of others) place.enabled = enabled;
    if (others.length > 0) {
      this.#listed = undefined;
      this.#changed();
    }
    return chosen.map(stateOf);
  }
}

function stateOf({ tool, enabled }: Place): ToolState {
  const { name, version, category, effect, deprecated } = tool;
  return { name, version, category, effect, enabled, ...(deprecated === undefined ? {} : { deprecated }) };
}

/** The patterns that say nothing of any tool: a mistyped one hides what it was to show, or shows what it was to hide. */
export function idlePatterns(tools: readonly Tool[], { include = [], exclude }: Selection): string[] {
  const names = tools.flatMap(namesOf);
  return [...include, ...exclude].filter((pattern) => !names.some(globs([pattern])));
}

function namesOf({ category, name }: Tool): string[] {
  return [name, `${category}.${name}`];
}

/** Globs say `analytics.*`, or the bare name of a tool. */
function selectedTools({ include, exclude }: Selection): (tool: Tool) => boolean {
  const included = globs(include ?? ['*']);
  const excluded = globs(exclude);
  return (tool) => {
    const names = namesOf(tool);
    return names.some(included) && !names.some(excluded);
  };
}
