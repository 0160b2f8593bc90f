// Prints the sum of the runs that countReporter wrote down: `N passed, N failed`, and `, N skipped` where there are any.
import fs from 'node:fs';

const lines = fs.readFileSync(process.argv[2], 'utf8').trim().split('\n').filter(Boolean);
const sum = { passed: 0, failed: 0, skipped: 0 };
for (const line of lines) {
  for (const [name, count] of Object.entries(JSON.parse(line))) sum[name] += count;
}
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`);
