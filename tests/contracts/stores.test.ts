import { setTimeout as wait } from 'node:timers/promises';
import { createMemoryStore } from '../../src/stores/memory.js';
import { storeSuite } from '../../src/testing.js';

storeSuite({ describe, it }, { name: 'memory', create: () => createMemoryStore(), wait });
