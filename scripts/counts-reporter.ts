import { writeSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

const failuresNamedMax = 20;
const messageLengthMax = 200;

/**
 * Ends a test run, for machines to read, with a line `failed: file > test: why` for each test that
 * failed (20 at most), and `N passed, N failed, N skipped` as the very last line.
 */
export default class CountsReporter implements Reporter {
  onTestRunEnd(testModules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    const failures = unhandledErrors.map((error) => `outside of any test: ${firstLine(error)}`);
    for (const testModule of testModules) {
      // A file that could not be loaded has no tests to count.
      const [error] = testModule.errors();
      if (error !== undefined) {
        counts.failed += 1;
        failures.push(`${testModule.relativeModuleId}: ${firstLine(error)}`);
      }
      for (const test of testModule.children.allTests()) {
        const { state } = test.result();
        counts[state] += 1;
        if (state === 'failed') failures.push(named(test));
      }
    }
    const { passed, failed, skipped, pending } = counts;
    const lines = failures.slice(0, failuresNamedMax).map((failure) => `failed: ${failure}\n`);
    process.once('exit', () => {
      // What never ran did not pass.
      writeSync(
        1,
        `${lines.join('')}${passed} passed, ${failed + pending} failed, ${skipped} skipped\n`,
      );
    });
  }
}

function named(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}: ${firstLine(test.result().errors?.[0])}`;
}

function firstLine(error: unknown): string {
  const message = (error as { message?: unknown } | undefined)?.message ?? error;
  const [line = ''] = stripVTControlCharacters(String(message)).split('\n', 1);
  return line.slice(0, messageLengthMax);
}
