import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

// Who may know whom: a folder (or file) of src/ may import from those to its right only. errors,
// config, logger and metrics are for everybody.
const parts = [
  'app',
  'demo',
  'control',
  'recording',
  'media',
  'resource',
  'siprec',
  'edge',
  'sip',
  'rtp',
];
const mayImport = {
  control: ['recording'],
  recording: ['media', 'resource', 'siprec', 'edge', 'sip', 'rtp'],
  media: ['edge', 'sip', 'rtp'],
  resource: ['edge', 'sip', 'rtp'],
  siprec: ['edge', 'sip', 'rtp'],
  recorder: ['siprec', 'edge', 'sip', 'rtp'],
  merge: ['recorder', 'rtp'],
  edge: ['rtp'],
  sip: [],
  rtp: [],
};

const layers = Object.entries(mayImport).map(([part, allowed]) => {
  const forbidden = [...parts, 'main', 'recorder', 'merge'].filter(
    (name) => name !== part && !allowed.includes(name),
  );
  // What recording/ declares, the parts below it implement: they may know its words, as types.
  const isImplementor = ['media', 'resource', 'siprec', 'recorder'].includes(part);
  const patterns = [
    {
      regex: `^(\\.\\./)+(${forbidden.filter((name) => name !== 'recording' || !isImplementor).join('|')})(/|\\.ts$)`,
      message: `src/${part}/ may not know this part (see "who may know whom" in eslint.config.js).`,
    },
  ];
  if (isImplementor) {
    patterns.push({
      regex: '^(\\.\\./)+recording/',
      allowTypeImports: true,
      message: `src/${part}/ implements what src/recording/ declares: import its types only.`,
    });
  }
  return {
    files: [`src/${part}/**/*.ts`],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] },
  };
});

export default defineConfig(
  globalIgnores(['dist/', 'native/build*/', 'recordings/', 'demo-recordings/', 'coverage/']),
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      // Numbers in template literals are clear as they are.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // A parameter that an interface asks for may go unused.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      eqeqeq: 'error',
    },
  },
  {
    // Indices and regex groups that a check above them has proved.
    files: ['test/**/*.ts', 'bench/**/*.ts', 'simulate/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/config.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: 'Only src/config.ts reads the environment.',
        },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/edge/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'dlopen', message: 'Only src/edge/ loads the addon.' },
      ],
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: {
      globals: {
        AbortController: 'readonly',
        AbortSignal: 'readonly',
        Buffer: 'readonly',
        URL: 'readonly',
        clearInterval: 'readonly',
        clearTimeout: 'readonly',
        console: 'readonly',
        fetch: 'readonly',
        performance: 'readonly',
        process: 'readonly',
        setInterval: 'readonly',
        setTimeout: 'readonly',
      },
    },
  },
  ...layers,
);
