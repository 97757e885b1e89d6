import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Linter } from 'eslint';
import tseslint from 'typescript-eslint';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { noImportCircle } from '../../../scripts/lint/no-import-circle.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'no-import-circle-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true });
});

/** What the rule says of one of these files. */
function lint(path: string, files: Readonly<Record<string, string>>): string[] {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  const config: Linter.Config = {
    files: ['**/*.ts'],
    languageOptions: { parser: tseslint.parser },
    plugins: { tandem: { rules: { 'no-import-circle': noImportCircle } } },
    rules: { 'tandem/no-import-circle': 'error' },
  };
  return new Linter({ cwd: dir })
    .verify(files[path] ?? '', [config], join(dir, path))
    .map(({ message }) => message);
}

test('names the files of a circle, folders between them or not', () => {
  const files = {
    'a.ts': "import { b } from './deep/b.ts';\nexport const a = b;\n",
    'deep/b.ts': "import { c } from '../c.ts';\nexport const b = c;\n",
    'c.ts': "import { a } from './a.ts';\nexport const c = () => a;\n",
  };
  expect(lint('a.ts', files)).toEqual(['This import closes a circle: a.ts → b.ts → c.ts → a.ts.']);
});

test.each([
  ['a type', "import type { A } from './a.ts';\nexport type B = A[];\n"],
  ['a type in place', "export type B = import('./a.ts').A[];\n"],
  ['what it hands on', "export type { A as B } from './a.ts';\n"],
  ['all that it hands on', "export * from './a.ts';\n"],
  ['an import at run time', "export const b = () => import('./a.ts');\n"],
])('counts %s', (_what, text) => {
  const files = {
    'a.ts': "import * as b from './b.ts';\nexport type A = typeof b;\n",
    'b.ts': text,
  };
  expect(lint('a.ts', files)).toHaveLength(1);
  expect(lint('b.ts', files)).toHaveLength(1);
});

test('leaves a file alone that leads to a circle and is not in it', () => {
  const files = {
    'outside.ts': "import './a.ts';\n",
    'a.ts': "import './b.ts';\n",
    'b.ts': "import './a.ts';\n",
  };
  expect(lint('outside.ts', files)).toEqual([]);
});

test('sees that a circle was mended while it is kept', () => {
  const a = "import './b.ts';\n";
  expect(lint('a.ts', { 'a.ts': a, 'b.ts': "import './a.ts';\n" })).toHaveLength(1);
  expect(lint('a.ts', { 'a.ts': a, 'b.ts': 'export const b = "on its own feet";\n' })).toEqual([]);
});
