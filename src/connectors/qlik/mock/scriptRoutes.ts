import * as z from 'zod';
import { editableApp } from './appRoutes.js';
import { type Answer, jsonOf, type RoutedAsk } from './ask.js';
import type { EngineServer } from './engineServer.js';
import { notFound } from './refusal.js';
import type { Route } from './router.js';
import { scriptFaults } from './scriptMethods.js';
import type { Tenant } from './tenant.js';

const scope = 'apps';
const list = '/api/v1/apps/{appId}/scripts';

interface Version {
  readonly scriptId: string;
  readonly script: string;
  readonly [name: string]: unknown;
}

/** Versions of an app's script; whoever only reads the app doesn't see them. */
class Scripts {
  readonly #engine: EngineServer;

  constructor(engine: EngineServer) {
    this.#engine = engine;
  }

  list(ask: RoutedAsk, tenant: Tenant): Answer {
    const scripts = this.#versions(ask, tenant).map(({ script, ...version }) => ({ ...version, size: script.length }));
    return { status: 200, json: { scripts, links: {} } };
  }

  get(ask: RoutedAsk, tenant: Tenant): Answer {
    const versions = this.#versions(ask, tenant);
    const { id } = ask.params;
    const current = this.#engine.doc(ask.params.appId ?? '')?.savedScript;
    const script = id === 'current' ? current : versions.find(({ scriptId }) => scriptId === id)?.script;
    if (script === undefined) throw notFound();
    return { status: 200, json: { script } };
  }

  add(ask: RoutedAsk, tenant: Tenant): Answer {
    const { script, versionMessage = '' } = jsonOf(
      ask,
      z.strictObject({ script: z.string(), versionMessage: z.string().optional() }),
    );
    const versions = this.#versions(ask, tenant);
    const app = editableApp(ask, tenant);
    const doc = this.#engine.doc(app.id);
    if (doc) Object.assign(doc, { script, savedScript: script });
    const made = {
      scriptId: `script-${versions.length + 1}`,
      script,
      versionMessage,
      modifierId: ask.caller.userId,
      modifiedTime: tenant.now,
    };
    app.scripts = [...versions, made];
    return { status: 200 };
  }

  /** The one that the app came with is the first. */
  #versions(ask: RoutedAsk, tenant: Tenant): Version[] {
    const app = editableApp(ask, tenant);
    const script = this.#engine.doc(app.id)?.savedScript ?? '';
    const first = {
      scriptId: 'script-1',
      script,
      versionMessage: '',
      modifierId: app.ownerId,
      modifiedTime: app.modifiedDate,
    };
    return (app.scripts as Version[] | undefined) ?? [first];
  }
}

export function scriptRoutes(engine: EngineServer): readonly Route[] {
  const scripts = new Scripts(engine);
  return [
    { method: 'GET', path: list, scope, query: ['limit', 'page'], run: (ask, tenant) => scripts.list(ask, tenant) },
    { method: 'POST', path: list, scope, run: (ask, tenant) => scripts.add(ask, tenant) },
    { method: 'GET', path: `${list}/{id}`, scope, run: (ask, tenant) => scripts.get(ask, tenant) },
    {
      method: 'POST',
      path: '/api/v1/apps/validatescript',
      scope,
      reads: true,
      run: (ask) => {
        const { script } = jsonOf(ask, z.strictObject({ script: z.string() }));
        return { status: 200, json: { errors: scriptFaults(script) } };
      },
    },
  ];
}
