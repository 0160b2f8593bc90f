import type { Fault } from '../core/errors.js';
import { isLoopbackBind } from '../gateway/guard.js';
import { entriesOf } from './entries.js';
import { type Branch, faultAt, find, textAt } from './tree.js';

/** Whoever reaches a port beyond loopback would use every credential behind it: callers must be known there. */
export function checkExposure(config: Branch): Fault[] {
  const host = textAt(config, 'server', 'host');
  if (host === undefined || isLoopbackBind(host) || entriesOf(config, 'identity').length > 0) return [];
  const place = (find(config, ['server', 'host']) ?? config).place;
  const hint =
    'Configure identity, listen on 127.0.0.1, or say --insecure-no-auth where everybody may use every credential.';
  return [faultAt(place, 'it would be reached from other machines, and nothing would know who calls', hint)];
}
