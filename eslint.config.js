import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { noImportCircle } from './scripts/lint/no-import-circle.ts';

// Who may know whom: a folder of src/ imports only from those named here, beside what every part may know. Where it is `types`,
// the one declares and the other implements or reads what is declared: its code stays unknown.
const forEverybody = ['clock', 'config', 'errors', 'logger', 'metrics', 'networks'];
const mayKnow = {
  demo: { all: ['recording', 'recorder', 'edge', 'rtp', 'supervisor'] },
  control: { all: ['recording', 'alarm'] },
  alarm: { all: [] },
  recording: { all: ['rtp'], types: ['edge'] },
  media: { all: ['edge', 'rtp'], types: ['recording'] },
  resource: { all: [], types: ['recording'] },
  siprec: { all: ['sip', 'rtp'], types: ['recording', 'edge'] },
  recorder: { all: ['siprec', 'sip', 'edge', 'rtp', 'supervisor'], types: ['recording'] },
  merge: { all: ['recorder', 'rtp'] },
  supervisor: { all: ['edge'] },
  edge: { all: ['rtp'] },
  sip: { all: [] },
  store: { all: [] },
  rtp: { all: [] },
};

const layers = Object.entries(mayKnow).flatMap(([part, { all, types = [] }]) =>
  ['', '*/', '*/*/'].map((below, depth) => {
    const up = `^${'\\.\\./'.repeat(depth + 1)}`;
    const known = [...all, ...types, ...forEverybody].join('|');
    const patterns = [
      {
        regex: `${up}(?!(${known})(/|\\.ts$))`,
        message: `src/${part}/ may not know this part (see "who may know whom" in eslint.config.js).`,
      },
      ...types.map((name) => ({
        regex: `${up}${name}/`,
        allowTypeImports: true,
        message: `src/${part}/ knows src/${name}/ by its types only.`,
      })),
    ];
    return {
      files: [`src/${part}/${below}*.ts`],
      rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] },
    };
  }),
);

/** What the product may not know, and what the simulator may know of it: all that runs without the addon. */
const outside = [
  {
    files: ['src/*.ts'],
    rules: forbidImports(
      '^\\.\\./',
      'What is not in src/ is not in the published package: src/ does without it.',
    ),
  },
  {
    files: ['simulate/**/*.ts'],
    rules: forbidImports(
      '/(test|bench|src/(main|app|serve)\\.ts|src/(control|demo|merge|recorder)/|src/edge/(?!types\\.ts))',
      'simulate/ runs calls, legs, resource manager and SIP; it brings its own edge, network and recorders.',
    ),
  },
];

/** What decides is pure: time, names and what happened come in as parameters, what is to be done goes out. */
const pure = {
  files: [
    'src/recording/account/*.ts',
    'src/recording/leg/{evidence,leg-data,leg-events,leg-records,leg-step,leg-turn,leg-view}.ts',
    'src/recording/call/call-{data,events,step}.ts',
    'src/resource/policies/*.ts',
    'src/rtp/*.ts',
  ],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: '^(node:(?!assert$)|pino$)|/(clock|logger)\\.ts$|-runner\\.ts$',
            message:
              "This file decides and does nothing: clock, log, network and disk are the runner's.",
          },
        ],
      },
    ],
  },
};

/** SIP's own layers: each knows those before it. */
const sipLayers = ['message', 'transport', 'transaction', 'ua'].map((layer, index, all) => ({
  files: [`src/sip/${layer}/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: `^\\.\\./(${all.slice(index + 1).join('|') || '-'})/`,
            message: 'SIP is message, transport, transaction, user agent: none knows the next.',
          },
        ],
      },
    ],
  },
}));

/** The simulation runs these on a clock of its own. */
const onInjectedClock = {
  files: [
    'src/{alarm,recording,resource,sip}/**/*.ts',
    'src/siprec/{client,src-*}.ts',
    'src/store/store-writer.ts',
  ],
  ignores: ['src/sip/clock.ts'],
  rules: {
    'no-restricted-globals': [
      'error',
      ...['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'].map(
        (name) => ({
          name,
          message: 'Time comes from the clock that is passed in.',
        }),
      ),
    ],
  },
};

export default defineConfig(
  globalIgnores(['dist/', 'native/build*/', 'recordings/', 'demo-recordings/', 'coverage/']),
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { tandem: { rules: { 'no-import-circle': noImportCircle } } },
    rules: {
      'tandem/no-import-circle': 'error',
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
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
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
  layers,
  outside,
  pure,
  sipLayers,
  onInjectedClock,
);

function forbidImports(regex, message) {
  return {
    '@typescript-eslint/no-restricted-imports': ['error', { patterns: [{ regex, message }] }],
  };
}
