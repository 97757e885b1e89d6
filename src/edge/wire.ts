/**
 * What control and edge say to each other over a stream socket; native/src/wire.h says the same, with a picture of a frame. Numbers are
 * little-endian. All that counts or tells time is a double: times are Unix milliseconds of the edge's clock.
 */

export const wireMagic = 0x4d44_4e54;
export const wireVersion = 3;

/** Bytes of a whole frame. */
export const commandBytesMax = 262_144;
export const answerBytesMax = 268_435_456;

export const wireCommands = {
  hello: 0,
  openPort: 1,
  setRemote: 2,
  setRoutes: 3,
  closePort: 4,
  takeStock: 5,
  addForks: 6,
  setForkTarget: 7,
  pauseFork: 8,
  resumeFork: 9,
  endForks: 10,
  removeForks: 11,
  takePrecedence: 12,
  inventory: 13,
  status: 14,
  shutdown: 15,
  resume: 16,
} as const;

export type WireCommand = keyof typeof wireCommands;

export const wireReplies = { answer: 0, error: 1, event: 2 } as const;

// Each name stands where its number says.
export const wireLatches = ['announced', 'any'] as const;
export const wireRoutes = ['none', 'direct', 'relay', 'bypass'] as const;
export const wireStarts = ['live', 'oldest', 'sequence'] as const;
export const wireForkStates = ['catching-up', 'live', 'paused', 'ended'] as const;
export const wireEvents = [
  'latched',
  'moved',
  'ssrc-changed',
  'relay-silent',
  'fork-refused',
  'fork-live',
  'fork-overrun',
  'fork-ended',
] as const;
