/** The server behind the bridges that lead to stdio: a line in, a line out. */

import { answerTo } from './answers.mjs';
import { LineReader } from './lines.mjs';

const reader = new LineReader((line) => {
  const answer = answerTo(line);
  if (answer !== undefined) process.stdout.write(`${answer}\n`);
});
process.stdin.on('data', (bytes) => reader.push(bytes));
