import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createMetrics, describeMetrics } from '../../src/metrics.ts';

const root = new URL('../../', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, root), 'utf8');
const readme = read('README.md');

/** The cells of the table whose head row begins with `first`, without that row. */
function table(first: string): string[][] {
  const lines = readme.split('\n');
  const start = lines.findIndex((line) => cells(line)[0] === first);
  const end = lines.indexOf('', start);
  return lines.slice(start + 2, end).map(cells);
}

function cells(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

describe('the README', () => {
  it('shows the annotated configuration as it is', () => {
    const [, shown] = /```yaml\n([^]*?)```/.exec(readme) ?? [];
    expect(shown).toBe(read('tandem.example.yaml'));
  });

  it('lists every metric with its type, labels and meaning', () => {
    const registry = new Registry();
    createMetrics(registry, {
      calls: () => [],
      recordingSessions: () => [],
      recorders: () => [],
      processes: () => [],
      processDeaths: () => [],
      edge: () => undefined,
    });
    const own = describeMetrics(registry).filter(
      // Those of Node itself are no more than mentioned; of processes, ours have a role.
      ({ name, labels }) => !/^tandem_(process|nodejs)_/.test(name) || labels.includes('role'),
    );
    const rows = own.map(({ name, type, help, labels }) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(', '),
      help,
    ]);
    expect(table('metric')).toEqual(rows);
  });

  it('has no gap left to fill in', () => {
    expect(readme.match(/<!-- (?!measured)/)).toBeNull();
  });
});
