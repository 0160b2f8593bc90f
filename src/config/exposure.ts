import type { Fault } from '../core/errors.js';
import { isLoopbackBind } from '../gateway/guard.js';
import { entriesOf } from './entries.js';
import { type Branch, faultAt, find, textAt } from './tree.js';

/** Whoever reaches a port beyond loopback would use every credential behind it, or read what passes: callers must be known there. */
export function checkExposure(config: Branch): Fault[] {
  if (entriesOf(config, 'identity').length > 0) return [];
  const places = [
    ['server', 'host'],
    ['server', 'admin', 'host'],
  ];
  const hint =
    'Configure identity, listen on 127.0.0.1, or say --insecure-no-auth where everybody may use every credential.';
  return places.flatMap((path) => {
    const host = textAt(config, ...path);
    if (host === undefined || isLoopbackBind(host)) return [];
    const place = (find(config, path) ?? config).place;
    return [faultAt(place, 'it would be reached from other machines, and nothing would know who calls', hint)];
  });
}
