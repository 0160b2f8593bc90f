import * as z from 'zod';
import { globs } from '../core/glob.js';

/** The options by which a destination shows a part of its tools. */
export const selectionFields = {
  /** Globs of the tools that are shown and may be called; absent: all. */
  include: z.array(z.string().min(1)).optional(),
  /** Globs of tools that are neither, whatever `include` says. */
  exclude: z.array(z.string().min(1)).default([]),
};

/** What those options say. */
export interface Selection {
  readonly include?: readonly string[] | undefined;
  readonly exclude: readonly string[];
}

/** Whether a tool is selected, case and all; undefined where every tool is. */
export function selected({ include, exclude }: Selection): ((tool: string) => boolean) | undefined {
  if (include === undefined && exclude.length === 0) return undefined;
  const included = include === undefined ? () => true : globs(include);
  const excluded = globs(exclude);
  return (tool) => included(tool) && !excluded(tool);
}
