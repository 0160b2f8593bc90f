/** What a tool does to the world: annotations, permissions and safe repeats follow from it. */
export type ToolEffect = 'read' | 'write' | 'destroy';

/** One tool of a toolset, as its operator sees it. */
export interface ToolState {
  readonly name: string;
  readonly version: string;
  readonly category: string;
  readonly effect: ToolEffect;
  readonly enabled: boolean;
  /** What to call instead. */
  readonly deprecated?: string;
}

/** One tool, or all of a category. */
export type ToolChoice = { readonly tool: string } | { readonly category: string };

/** What an operator does to the tools of a destination. */
export interface ToolTurn {
  readonly destination: string;
  readonly choice: ToolChoice;
  readonly enabled: boolean;
}

/** The tools of a destination that live in this house; what is switched off is in no list, and unknown to whoever calls it. */
export interface ToolSwitches {
  list(): readonly ToolState[];
  /** The tools that were chosen, as they are now; undefined where there is none. Whoever listens hears of a change. */
  turn(choice: ToolChoice, enabled: boolean): readonly ToolState[] | undefined;
}
