import type { AnyKind, Rules, RulesDeps } from '../../src/contracts.js';
import { kinds } from '../../src/kinds.js';
import { rulesSuite } from '../../src/testing.js';
import { FakeClock } from '../helpers/fakes.js';

/** One row per kind of the registry: TypeScript asks for it. */
const options: Readonly<Record<keyof typeof kinds.rules, object>> = {
  'json-rpc': { failures: [-32603], temporary: [-32000] },
};

for (const [name, load] of Object.entries(kinds.rules)) {
  const create = async () => {
    const kind: AnyKind<Rules, RulesDeps> = (await load()).default;
    const given = kind.options.parse(options[name as keyof typeof options]);
    return kind.create(given as never, { name: 'reports', clock: new FakeClock(), baseDir: '/' });
  };
  rulesSuite({ describe, it }, { name, create });
}
