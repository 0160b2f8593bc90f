import type { Clock } from './house.js';
import type { RestRequest, RestResponse } from './rest.js';

/** What a manager of secrets holds under one path: a text, or fields by name. */
export interface HeldSecret {
  readonly value: string | Readonly<Record<string, unknown>>;
  /** It should be read again within this time; milliseconds. */
  readonly leaseMs?: number;
}

/** Where `${name:path#field}` gets its values from. Knows nothing of caches and repeats: those are the keeper's. */
export interface SecretManager {
  /** How often what it holds is read again. Milliseconds. */
  readonly refreshMs: number;
  /** Rejects with a SecretError that says what mends it. */
  read(path: string, signal: AbortSignal): Promise<HeldSecret>;
}

/** What a kind of secret manager is handed. */
export interface SecretDeps {
  readonly clock: Clock;
  /** The process's variables, since clouds say by them who this process is. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Rejects with a RestError when no answer came. */
  rest(request: RestRequest): Promise<RestResponse>;
}
