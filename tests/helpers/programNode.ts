/** The Node that the program runs on: this one, unless PROGRAM_NODE names another. The tests themselves stay on theirs. */
export function programNode(): string {
  return process.env.PROGRAM_NODE ?? process.execPath;
}
