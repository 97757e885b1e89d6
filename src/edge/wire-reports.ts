import type { EdgeInventory, EdgeStatus, HelloAnswer } from './edge-process-types.ts';
import { unpack } from './packed-ranges.ts';
import type {
  EdgeEvent,
  ForkReport,
  OpenedPort,
  PortRemote,
  PortRoute,
  ReceiverReport,
  Stock,
  StreamReport,
} from './types.ts';
import type { WireReader } from './wire-reader.ts';
import { wireEvents, wireForkStates, wireRoutes } from './wire.ts';

const numbersPerRange = 4;

/** Fields that are undefined are left out, as in what the addon tells. */
function present<T extends object>(fields: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

const readRanges = (reader: WireReader): Float64Array =>
  reader.numbers(reader.u32() * numbersPerRange);

function readReasons(reader: WireReader): Record<string, number> {
  const length = reader.u8();
  return Object.fromEntries(Array.from({ length }, () => [reader.text(), reader.f64()]));
}

/** A time that is 0 where there is none. */
const timeIfAny = (time: number): number | undefined => (time === 0 ? undefined : time);

export function readOpenedPort(reader: WireReader): OpenedPort {
  return {
    portId: reader.u32(),
    rtp: reader.address(),
    rtcp: reader.address(),
    ssrc: reader.u32(),
  };
}

export function readStreamReport(reader: WireReader): StreamReport {
  return unpack<StreamReport>(
    present({
      ssrc: reader.u32(),
      sourceSsrc: reader.optional(() => reader.u32()),
      latched: reader.optional(() => reader.address()),
      packets: reader.f64(),
      bytes: reader.f64(),
      duplicates: reader.f64(),
      reordered: reader.f64(),
      refused: readReasons(reader),
      unforwarded: readReasons(reader),
      kernelDrops: reader.f64(),
      received: readRanges(reader),
      rangesJoined: reader.f64(),
      exactFrom: reader.optional(() => reader.f64()),
      dropped: readRanges(reader),
      ssrcChanges: reader.list(() => ({
        at: reader.f64(),
        from: reader.u32(),
        to: reader.u32(),
        sequence: reader.f64(),
      })),
      ssrcChangeCount: reader.f64(),
      packetMs: reader.f64(),
      lastPayloadType: reader.optional(() => reader.u8()),
      egressPackets: reader.f64(),
      egressErrors: reader.f64(),
      lastEgressAt: timeIfAny(reader.f64()),
      ringFirst: reader.optional(() => reader.f64()),
    }),
  );
}

export function readForkReport(reader: WireReader): ForkReport {
  return unpack<ForkReport>(
    present({
      forkId: reader.u32(),
      state: reader.choice(wireForkStates),
      sentPackets: reader.f64(),
      sentBytes: reader.f64(),
      sendErrors: reader.f64(),
      sent: readRanges(reader),
      replayed: readRanges(reader),
      overrun: readRanges(reader),
      withheld: readRanges(reader),
      refused: reader.optional(() => readRefusal(reader)),
      unsendable: reader.optional(() => ({ ...readRefusal(reader), errno: reader.text() })),
      receiverReport: reader.optional(() => readReceiverReport(reader)),
      receiverReports: reader.f64(),
      reportsRanges: reader.flag(),
      confirmed: readRanges(reader),
      denied: readRanges(reader),
      reportedLost: { atLeast: reader.f64(), atMost: reader.f64() },
    }),
  );
}

function readRefusal(reader: WireReader): { at: number; sequence: number; count: number } {
  return { at: reader.f64(), sequence: reader.f64(), count: reader.f64() };
}

function readReceiverReport(reader: WireReader): ReceiverReport {
  return present({
    at: reader.f64(),
    highestSequence: reader.f64(),
    fractionLost: reader.f64(),
    jitterMs: reader.f64(),
    roundTripMs: reader.optional(() => reader.f64()),
    final: reader.flag() ? true : undefined,
  });
}

export function readStock(reader: WireReader): Stock {
  return {
    streams: reader.list(() => readStreamReport(reader)),
    forks: reader.list(() => readForkReport(reader)),
  };
}

export function readInventory(reader: WireReader): EdgeInventory {
  return {
    ports: reader.list(() =>
      present({
        ...readOpenedPort(reader),
        remote: reader.optional(() => readRemote(reader)),
        route: readRoute(reader),
      }),
    ),
    forks: reader.list(() => ({
      forkId: reader.u32(),
      portId: reader.u32(),
      streamIndex: reader.u32(),
      rtp: reader.address(),
      rtcp: reader.address(),
      state: reader.choice(wireForkStates),
    })),
  };
}

function readRemote(reader: WireReader): PortRemote {
  return {
    rtp: reader.address(),
    rtcp: reader.address(),
    send: reader.flag(),
    clockRates: Object.fromEntries(
      Array.from({ length: reader.u8() }, () => [reader.u8(), reader.u32()]),
    ),
  };
}

function readRoute(reader: WireReader): PortRoute {
  const kind = reader.choice(wireRoutes);
  const peerPortId = reader.optional(() => reader.u32());
  switch (kind) {
    case 'none':
      return { kind };
    case 'direct':
    case 'bypass':
      if (peerPortId === undefined) throw new RangeError('a route without its port');
      return { kind, peerPortId };
    case 'relay':
      return present({
        kind,
        to: reader.address(),
        peerPortId,
        payloadTypes: Array.from({ length: reader.u8() }, () => reader.u8()),
      });
  }
}

export function readHello(reader: WireReader): HelloAnswer {
  return {
    version: reader.u16(),
    pid: reader.u32(),
    startedAt: reader.f64(),
    clockOffsetMs: reader.f64(),
    threads: reader.u32(),
    memory: reader.text(),
    session: [reader.u32(), reader.u32()],
    starts: reader.u32(),
  };
}

export function readStatus(reader: WireReader): EdgeStatus {
  return {
    controls: reader.f64(),
    strangers: reader.f64(),
    malformed: reader.f64(),
    droppedEvents: reader.f64(),
  };
}

export function readEvent(reader: WireReader): EdgeEvent {
  const type = reader.choice(wireEvents);
  const id = reader.u32();
  const address = reader.address();
  const [from, to] = [reader.u32(), reader.u32()];
  const [at, packets] = [reader.f64(), reader.f64()];
  switch (type) {
    case 'latched':
    case 'moved':
      return { type, portId: id, address };
    case 'ssrc-changed':
      return { type, portId: id, from, to };
    case 'relay-silent':
      return { type, portId: id, at };
    case 'fork-refused':
      return { type, forkId: id, at };
    case 'fork-live':
    case 'fork-ended':
      return { type, forkId: id };
    case 'fork-overrun':
      return { type, forkId: id, packets };
  }
}
