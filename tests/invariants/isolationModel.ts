import { type Caller, PLACES, RATES, type SteppedClock, TENANTS, TOOLS } from './isolationWorld.js';

/** A call as it is made. */
export interface Plan {
  readonly id: string;
  readonly caller: Caller;
  /** What the caller shows is no key of this gateway. */
  readonly forged: boolean;
  readonly destination: string;
  readonly method: 'tools/call' | 'tools/list' | 'resources/read' | 'initialize' | 'end';
  /** The tool, or the URI. */
  readonly name: string;
  readonly modern: boolean;
  readonly session: string | undefined;
}

/** What a call must give: its status, and the code of our own error. For a limit, which one. */
export interface Expected {
  readonly status: number;
  readonly code?: string;
  readonly limit?: string;
}

const LOST: Expected = { status: 404, code: 'SESSION_LOST' };

/** So many, and one more every so often; counted in whole ones, unlike in the code. */
class ModelBucket {
  readonly #rate: { readonly burst: number; readonly everyMs: number };
  #left: number;
  #since: number;

  constructor(rate: { readonly burst: number; readonly everyMs: number }, now: number) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#since = now;
  }

  has(now: number): boolean {
    const { burst, everyMs } = this.#rate;
    const gained = Math.floor((now - this.#since) / everyMs);
    this.#since += gained * everyMs;
    this.#left = Math.min(burst, this.#left + gained);
    if (this.#left === burst) this.#since = now;
    return this.#left > 0;
  }

  take(): void {
    this.#left -= 1;
  }
}

export const ownerOf = ({ id, tenant }: Caller) => JSON.stringify([tenant ?? null, `keys:${id}`]);

/** What must happen, worked out anew: shares no line with what it judges. */
export class Model {
  readonly #clock: SteppedClock;
  readonly #owners = new Map<string, string>();
  readonly #ended = new Set<string>();
  readonly #running = new Map<string, number>();
  #buckets = new Map<string, ModelBucket>();

  constructor(clock: SteppedClock) {
    this.#clock = clock;
  }

  /** A new app counts anew; sessions are bound on. */
  reloaded(): void {
    this.#buckets = new Map();
  }

  /** What is decided before the body is read. */
  atTheDoor({ caller, forged, destination }: Plan): Expected | undefined {
    if (forged || caller.revoked) return { status: 401, code: 'CALLER_UNKNOWN' };
    if (!this.sees(caller, destination)) return { status: 403, code: 'UNKNOWN_DESTINATION' };
    return undefined;
  }

  /** What is decided behind that; takes from the limits. */
  inside(plan: Plan): Expected {
    const { caller, destination, method, name, session } = plan;
    if (method === 'tools/call' && !this.mayCall(caller, destination, name))
      return { status: 403, code: 'NOT_PERMITTED' };
    const limit = this.#draw(plan);
    if (limit) return { status: 429, code: 'QUOTA_EXCEEDED', limit };
    if (session !== undefined && !this.#mayUse(destination, session, ownerOf(caller))) return LOST;
    return { status: method === 'end' ? 204 : 200 };
  }

  /** The call is over: its places are free. */
  over({ caller }: Plan): void {
    for (const [key] of gatesOf(caller)) this.#running.set(key, (this.#running.get(key) ?? 0) - 1);
  }

  began({ destination, caller }: Plan, session: string): void {
    this.#owners.set(`${destination} ${session}`, ownerOf(caller));
  }

  ended(destination: string, session: string): void {
    this.#ended.add(`${destination} ${session}`);
  }

  sees(caller: Caller, destination: string): boolean {
    if (destination === 'nowhere') return false;
    if (TENANTS.includes(destination) && destination !== caller.tenant) return false;
    return caller.destinations === undefined || caller.destinations.includes(destination);
  }

  mayCall({ roles }: Caller, destination: string, tool: string): boolean {
    if (roles.includes('careful') && tool.endsWith('_b')) return false;
    if (tool.startsWith('read_')) return true;
    if (tool.startsWith('write_')) return roles.includes('writer');
    return tool.startsWith('drop_') && roles.includes('dropper') && destination === 'common';
  }

  toolsOf(caller: Caller, destination: string): string[] {
    return TOOLS.filter((tool) => this.mayCall(caller, destination, tool));
  }

  /** Whether an answer that was made for one caller may be given to another. */
  mayShare(plan: Plan, maker: Caller): boolean {
    const { caller, destination, method, modern, name } = plan;
    if (method === 'tools/call' || method === 'initialize' || name.startsWith('none:')) return false;
    if (caller === maker) return true;
    const isPublic = modern && (method === 'tools/list' || name.startsWith('public:'));
    return isPublic && destination !== 'personal' && caller.tenant === maker.tenant;
  }

  #draw({ caller, method, name }: Plan): string | undefined {
    for (const [key, most, limit] of gatesOf(caller)) if ((this.#running.get(key) ?? 0) >= most) return limit;
    const now = this.#clock.now();
    const drawn: [string, ModelBucket][] = [];
    const add = (limit: string, of: string, rate: { burst: number; everyMs: number }) => {
      const bucket = this.#buckets.get(of) ?? new ModelBucket(rate, now);
      this.#buckets.set(of, bucket);
      drawn.push([limit, bucket]);
    };
    if (method === 'tools/call' && name.startsWith('write_')) add('perTool', `tool ${ownerOf(caller)}`, RATES.tool);
    add('perCaller', `caller ${ownerOf(caller)}`, RATES.caller);
    if (caller.tenant !== undefined) add('perTenant', `tenant ${caller.tenant}`, RATES.tenant);
    for (const [limit, bucket] of drawn) if (!bucket.has(now)) return limit;
    for (const [, bucket] of drawn) bucket.take();
    for (const [key] of gatesOf(caller)) this.#running.set(key, (this.#running.get(key) ?? 0) + 1);
    return undefined;
  }

  /** Whoever shows a session first that nobody was seen to begin has it from then on. */
  #mayUse(destination: string, session: string, owner: string): boolean {
    const key = `${destination} ${session}`;
    // A guess has no owner.
    return !this.#ended.has(key) && this.#owners.get(key) === owner;
  }
}

function gatesOf(caller: Caller): [string, number, string][] {
  const gates: [string, number, string][] = [[ownerOf(caller), PLACES.caller, 'concurrent.perCaller']];
  if (caller.tenant !== undefined) gates.push([`tenant ${caller.tenant}`, PLACES.tenant, 'concurrent.perTenant']);
  return gates;
}
