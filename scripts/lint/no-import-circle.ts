// An ESLint rule: no file may lead back to itself by its imports. Imports of types count, too: whoever reads one
// file of a circle has to know all of them, whatever is left of it at run time.

import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { Rule } from 'eslint';
import ts from 'typescript';

/** By path. An editor keeps the rule for hours while files change. */
const parsed = new Map<string, { readonly mtimeMs: number; readonly imports: readonly string[] }>();

/** A node that may name a module; what it names is a literal, or is not looked at. */
type NamesModule = Rule.Node & { readonly source?: unknown };

export const noImportCircle: Rule.RuleModule = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { circle: 'This import closes a circle: {{ circle }}.' },
  },
  create(context) {
    const here = context.filename;
    const check = (node: NamesModule): void => {
      const { value } = (node.source ?? {}) as { value?: unknown };
      if (typeof value !== 'string' || !value.startsWith('.')) return;
      const way = wayBetween(resolve(dirname(here), value), here);
      if (way === undefined) return;
      const circle = [here, ...way].map((path) => basename(path)).join(' → ');
      context.report({ node, messageId: 'circle', data: { circle } });
    };
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    };
  },
};

/** The shortest way from one file to another by imports, both ends included. */
function wayBetween(from: string, to: string): string[] | undefined {
  /** Each file found, and the one that imports it. */
  const importers = new Map<string, string | undefined>([[from, undefined]]);
  for (const path of importers.keys()) {
    if (path === to) return wayTo(path, importers);
    for (const next of importsOf(path)) if (!importers.has(next)) importers.set(next, path);
  }
  return undefined;
}

function wayTo(end: string, importers: ReadonlyMap<string, string | undefined>): string[] {
  const way: string[] = [];
  for (let path: string | undefined = end; path !== undefined; path = importers.get(path))
    way.unshift(path);
  return way;
}

/** The project's own files that this one imports; none for what is no TypeScript or is not there. */
function importsOf(path: string): readonly string[] {
  const isSource = path.endsWith('.ts');
  const mtimeMs = isSource ? statSync(path, { throwIfNoEntry: false })?.mtimeMs : undefined;
  if (mtimeMs === undefined) return [];
  const known = parsed.get(path);
  if (known?.mtimeMs === mtimeMs) return known.imports;
  const imports = ts
    .preProcessFile(readFileSync(path, 'utf8'))
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => resolve(dirname(path), name));
  parsed.set(path, { mtimeMs, imports });
  return imports;
}
