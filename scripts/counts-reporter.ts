import { writeSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/** Prints `N passed, N failed, N skipped` as the very last line of a test run, for machines to read. */
export default class CountsReporter implements Reporter {
  onTestRunEnd(testModules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const testModule of testModules) {
      // A file that could not be loaded has no tests to count.
      if (testModule.errors().length > 0) counts.failed += 1;
      for (const test of testModule.children.allTests()) counts[test.result().state] += 1;
    }
    const { passed, failed, skipped, pending } = counts;
    process.once('exit', () => {
      // What never ran did not pass.
      writeSync(1, `${passed} passed, ${failed + pending} failed, ${skipped} skipped\n`);
    });
  }
}
