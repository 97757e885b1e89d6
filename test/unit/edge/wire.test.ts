import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  answerBytesMax,
  commandBytesMax,
  wireCommands,
  wireEvents,
  wireForkStates,
  wireLatches,
  wireMagic,
  wireReplies,
  wireRoutes,
  wireStarts,
  wireVersion,
} from '../../../src/edge/wire.ts';

const header = readFileSync(new URL('../../../native/src/wire.h', import.meta.url), 'utf8');

function constant(name: string): number {
  return Number(new RegExp(`${name} = (\\w+);`).exec(header)?.[1]);
}

/** `kOpenPort = 1` as `['openPort', 1]`. */
function enumeration(name: string): [string, number][] {
  const body = new RegExp(`enum class ${name} : uint8_t \\{([^}]*)\\}`).exec(header)![1]!;
  return [...body.matchAll(/k(\w+) = (\d+)/g)].map(([, word, value]) => [
    word![0]!.toLowerCase() + word!.slice(1),
    Number(value),
  ]);
}

/** `forkLive` as `fork-live`. */
const dashed = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

it('has the numbers that the edge has', () => {
  expect(wireMagic).toBe(constant('kWireMagic'));
  expect(wireVersion).toBe(constant('kWireVersion'));
  expect(commandBytesMax).toBe(constant('kCommandBytesMax'));
  expect(answerBytesMax).toBe(constant('kAnswerBytesMax'));
});

it('has the commands and replies that the edge has', () => {
  expect(Object.entries(wireCommands)).toEqual(enumeration('WireCommand'));
  expect(Object.entries(wireReplies)).toEqual(enumeration('WireReply'));
});

it.each([
  ['WireLatch', wireLatches],
  ['WireRoute', wireRoutes],
  ['WireStart', wireStarts],
  ['WireForkState', wireForkStates],
  ['WireEvent', wireEvents],
])('has the names of %s where the edge has them', (name, names) => {
  expect(names.map((value, index) => [value, index])).toEqual(
    enumeration(name).map(([value, index]) => [dashed(value), index]),
  );
});
