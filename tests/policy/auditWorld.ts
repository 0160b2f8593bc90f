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
