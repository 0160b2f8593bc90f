// A file of its own, so that the bundler can load these packages late, the schema with them, and still know what they export.
export { default as enigma } from 'enigma.js';
export { default as schema } from 'enigma.js/schemas/12.2027.0.json' with { type: 'json' };
export { WebSocket } from 'ws';
