import qlik from '../../../src/connectors/qlik/toolset.js';
import type { Tool, ToolContext, Toolset } from '../../../src/contracts/tools.js';
import { RestWorld } from './restWorld.js';
import { ANN, type Answers, callOf, type TinyTenant } from './tinyTenant.js';

/** The toolset as a destination has it, before a tenant that says what a test wants. */
export class ToolsWorld extends RestWorld {
  async open(options: object, answers: Answers): Promise<{ toolset: Toolset; tenant: TinyTenant }> {
    const tenant = await this.tenant(answers);
    const deps = { ...this.deps(), baseDir: '.', url: new URL(tenant.origin) };
    return { toolset: await qlik.create(qlik.options.parse(options), deps), tenant };
  }
}

/** What a tool makes of arguments as a client sends them. */
export async function run(toolset: Toolset, name: string, args: object, context: ToolContext = callOf(ANN, 'ann')) {
  const tool = toolset.tools.find((each) => each.name === name) as Tool | undefined;
  if (!tool) throw new Error(`no such tool: ${name}`);
  const answer = (await tool.run(tool.input.parse(args) as never, context)) as Record<string, unknown>;
  tool.output?.parse(answer);
  return answer;
}
