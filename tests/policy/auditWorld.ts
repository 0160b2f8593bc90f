import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { AuditedEntry } from '../../src/policy/auditChain.js';

/** An entry of a call that was let through. */
export function auditEntry(more: Partial<AuditedEntry> = {}): AuditedEntry {
  return {
    at: 1000,
    requestId: 'r',
    action: 'tools/list',
    subject: 'corp:ann',
    tenant: undefined,
    address: '192.0.2.1',
    destination: 'ai',
    method: 'POST',
    name: undefined,
    argumentNames: [],
    outcome: 'allowed',
    status: 200,
    code: undefined,
    ...more,
  };
}

/** A folder of the test's own. */
export function tempFolder(): { readonly path: string; remove(): void } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'drawbridge-audit-'));
  return { path: folder, remove: () => fs.rmSync(folder, { recursive: true, force: true }) };
}
