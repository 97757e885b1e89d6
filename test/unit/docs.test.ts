import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const pages = globSync(['*.md', 'docs/**/*.md', 'src/**/*.md'], { cwd: root });

function linksOf(page: string): string[] {
  return [...readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)#]+)[^)]*\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !target.includes(':'));
}

it.each(pages.filter((page) => linksOf(page).length > 0))('%s links to what is there', (page) => {
  const missing = linksOf(page).filter((target) => !existsSync(join(root, dirname(page), target)));
  expect(missing).toEqual([]);
});

it('lists every decision in order', () => {
  const decisions = globSync('docs/decisions/0*.md', { cwd: root }).map((path) =>
    path.slice('docs/decisions/'.length),
  );
  expect(linksOf('docs/decisions/README.md')).toEqual(decisions.sort());
});
