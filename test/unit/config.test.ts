import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, parseConfig } from '../../src/config.ts';
import { TandemError } from '../../src/errors.ts';

const example = new URL('../../tandem.example.yaml', import.meta.url);

function refusal(input: unknown): TandemError {
  try {
    parseConfig(input);
  } catch (error) {
    if (error instanceof TandemError) return error;
  }
  throw new Error('was taken');
}

describe('the configuration', () => {
  it('has the defaults that the annotated example states', () => {
    expect(parseConfig(parse(readFileSync(example, 'utf8')))).toEqual(parseConfig({}));
  });

  it('names every key in the annotated example', () => {
    const text = readFileSync(example, 'utf8');
    const keys = (value: object): string[] =>
      Object.entries(value).flatMap(([key, inner]: [string, unknown]) => [
        key,
        ...(typeof inner === 'object' && inner !== null && !Array.isArray(inner)
          ? keys(inner)
          : []),
      ]);
    for (const key of keys(parseConfig({}))) expect(text).toMatch(new RegExp(`\\b${key}:`));
  });

  it.each([
    [{ http: { prot: 1 } }, 'http.prot: unknown key'],
    [{ htp: {} }, 'htp: unknown key'],
    [
      { resource: { affinityFile: 'state/affinity.json' } },
      'resource.affinityFile: is no more: what is to be remembered is in state.dir',
    ],
    [{ state: { orphanMs: 0 } }, 'state.orphanMs: '],
    [{ media: { ring: { seconds: 'ten' } } }, 'media.ring.seconds: '],
    [{ media: { ports: { min: 3000, max: 2000 } } }, 'media.ports: max must be above min'],
    [{ media: { host: '0.0.0.0' } }, 'media.host: an IP address that others can send to'],
    [{ media: { host: '::' } }, 'media.host: an IP address that others can send to'],
    [{ media: { host: 'media.example' } }, 'media.host: an IP address that others can send to'],
    [{ media: { legHost: '0:0::0' } }, 'media.legHost: an IP address that others can send to'],
    [{ recorders: { list: [{ id: 'r1' }] } }, 'recorders.list.0.uri: '],
    [
      { recorders: { list: [{ id: 'r1', uri: 'sip:x', reports: 'often' }] } },
      'recorders.list.0.reports: ',
    ],
    [
      { alarms: { webhooks: [{ url: 'https://x' }, { url: 'https://me:secret@x' }] } },
      'alarms.webhooks.1.url: no user and password',
    ],
    [{ recorders: { list: [{ id: 'r1', uri: 'sips:x' }] } }, 'recorders.list.0.uri: '],
    [{ recorders: { list: [{ id: 'r1', uri: 'sip:x;transport=tls' }] } }, 'recorders.list.0.uri: '],
    [{ recorders: { list: [{ id: 'r1', uri: 'sip:[::1' }] } }, 'recorders.list.0.uri: '],
    [{ recorders: { list: [{ id: 'a/b', uri: 'sip:x' }] } }, 'recorders.list.0.id: '],
    [
      {
        recorders: {
          list: [
            { id: 'r1', uri: 'sip:x' },
            { id: 'r1', uri: 'sip:y' },
          ],
        },
      },
      'recorders.list.1.id: id r1 stands twice',
    ],
    [
      {
        recorders: {
          embedded: { count: 2 },
          list: [
            { id: 'r3', uri: 'sip:x' },
            { id: 'r2', uri: 'sip:y' },
          ],
        },
      },
      'recorders.list.1.id: id r2 is that of an embedded recorder',
    ],
    [
      {
        recorders: {
          list: [
            { id: 'r1', uri: 'sip:x:5060' },
            { id: 'r2', uri: 'sip:X' },
          ],
        },
      },
      'recorders.list.1.uri: leads where that of r1 does',
    ],
  ])('refuses %j and says where', (input, message) => {
    const error = refusal(input);
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain(message);
  });

  it('starts embedded recorders only when none is configured', () => {
    expect(parseConfig({}).recorders.embedded?.count).toBe(3);
    const list = [{ id: 'r1', uri: 'sip:127.0.0.1:5070' }];
    expect(parseConfig({ recorders: { list } }).recorders.embedded).toBeUndefined();
  });

  it('is frozen', () => {
    expect(Object.isFrozen(parseConfig({}).media.ring)).toBe(true);
  });

  it('says which file cannot be read', () => {
    expect(() => loadConfig('/nowhere/tandem.yaml')).toThrow('/nowhere/tandem.yaml');
  });

  it('keeps ledgers with the state, unless it is told where', () => {
    const ledgerDir = (input: object): string => parseConfig(input).recording.ledgerDir;
    expect(ledgerDir({ state: { dir: '/var/lib/tandem' } })).toBe('/var/lib/tandem/ledgers');
    expect(ledgerDir({ recording: { ledgerDir: 'kept' } })).toBe('kept');
  });
});
