// A jest reporter that adds a run's counts to a file, so that several runs can be summed up in one line.
import fs from 'node:fs';

export default class CountReporter {
  constructor(_globalConfig, { file }) {
    this.file = file;
  }

  onRunComplete(_contexts, results) {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites } = results;
    const counts = {
      passed: numPassedTests,
      failed: numFailedTests + numRuntimeErrorTestSuites,
      skipped: numPendingTests + numTodoTests,
    };
    fs.appendFileSync(this.file, `${JSON.stringify(counts)}\n`);
  }
}
