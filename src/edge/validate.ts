import { isIP } from 'node:net';
import { TandemError } from '../errors.ts';
import type {
  AddForkOptions,
  EdgeOptions,
  ForkStart,
  OpenCaptureOptions,
  OpenPortOptions,
  PortRemote,
  PortRoute,
  SocketAddress,
} from './types.ts';

// Programmers' mistakes are caught here with the name of the field; the addon checks again what it would fall over.

function refuse(field: string, value: unknown, expected: string): never {
  throw new TandemError('EDGE_FAILED', `${field} is not ${expected}`, {
    details: { field, value, expected },
  });
}

function checkInteger(field: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    refuse(field, value, `an integer within ${min}..${max}`);
  }
}

function checkNumber(field: string, value: number, min: number, max: number): void {
  if (!Number.isFinite(value) || value < min || value > max) {
    refuse(field, value, `a number within ${min}..${max}`);
  }
}

function checkIp(field: string, value: string): void {
  if (isIP(value.replace(/%.*$/, '')) === 0) refuse(field, value, 'an IP address');
}

export function checkAddress(field: string, value: SocketAddress): void {
  checkIp(`${field}.ip`, value.ip);
  checkInteger(`${field}.port`, value.port, 0, 65_535);
}

function checkClockRates(rates: Readonly<Record<number, number>>): void {
  for (const [payloadType, hz] of Object.entries(rates)) {
    checkInteger('clockRates', Number(payloadType), 0, 127);
    checkInteger(`clockRates.${payloadType}`, hz, 1, 1_000_000);
  }
}

export function checkEdgeOptions(options: EdgeOptions): void {
  checkInteger('threads', options.threads, 1, 64);
  for (const host of options.legHosts) checkIp('legHosts', host);
  checkInteger('ports.min', options.ports.min, 1, 65_535);
  checkInteger('ports.max', options.ports.max, options.ports.min, 65_535);
  checkNumber('ring.seconds', options.ring.seconds, 0.001, 3_600);
  checkInteger('ring.bytes', options.ring.bytes, 0, 2 ** 30);
  checkNumber('catchUpRate', options.catchUpRate, 1.01, 1_000);
  checkNumber('rtcpIntervalMs', options.rtcpIntervalMs, 1, 3_600_000);
  if (Buffer.byteLength(options.cname) > 255) refuse('cname', options.cname, 'at most 255 bytes');
}

export function checkOpenPort(options: OpenPortOptions): void {
  checkInteger('shard', options.shard, 0, 63);
  checkIp('host', options.host);
}

export function checkRemote(remote: PortRemote): void {
  checkAddress('remote.rtp', remote.rtp);
  checkAddress('remote.rtcp', remote.rtcp);
  checkClockRates(remote.clockRates);
}

export function checkRoute(route: PortRoute): void {
  switch (route.kind) {
    case 'none':
      return;
    case 'direct':
    case 'bypass':
      checkInteger('route.peerPortId', route.peerPortId, 1, 2 ** 32 - 1);
      return;
    case 'relay':
      checkAddress('route.to', route.to);
      if (route.peerPortId !== undefined) {
        checkInteger('route.peerPortId', route.peerPortId, 1, 2 ** 32 - 1);
      }
      for (const payloadType of route.payloadTypes ?? []) {
        checkInteger('route.payloadTypes', payloadType, 0, 127);
      }
      return;
    default:
      route satisfies never;
  }
}

function checkStart(from: ForkStart): void {
  if (from.kind === 'sequence') checkSequence('from.sequence', from.sequence);
}

export function checkAddFork(options: AddForkOptions): void {
  checkInteger('streamIndex', options.streamIndex, 0, 1);
  checkAddress('rtp', options.rtp);
  checkAddress('rtcp', options.rtcp);
  checkStart(options.from);
  checkSequence('pausedFrom', options.pausedFrom ?? 0);
  const { keptOut = [] } = options;
  checkInteger('keptOut.length', keptOut.length, 0, 64);
  for (const { first, last } of keptOut) {
    checkSequence('keptOut.first', first);
    checkSequence('keptOut.last', last);
  }
}

/** Of a port or a fork. */
export function checkId(field: string, id: number): void {
  checkInteger(field, id, 0, 2 ** 32 - 1);
}

/** One for each of what is asked for together. */
export function checkIds(field: string, ids: readonly number[]): void {
  checkInteger(`${field}.length`, ids.length, 0, 64);
  for (const id of ids) checkId(field, id);
}

/** See setpriority(2). */
export function checkNiceness(field: string, niceness: number): void {
  checkInteger(field, niceness, -20, 19);
}

export function checkOrphanMs(field: string, ms: number): void {
  checkInteger(field, ms, 1, 86_400_000);
}

/** Of beats that come every 100 ms. */
export function checkHangMs(field: string, ms: number): void {
  checkInteger(field, ms, 300, 60_000);
}

export function checkSequence(field: string, sequence: number): void {
  checkInteger(field, sequence, 0, Number.MAX_SAFE_INTEGER);
}

/** Unix milliseconds. */
export function checkTime(field: string, at: number): void {
  checkNumber(field, at, 0, 1e13);
}

export function checkCapture(options: OpenCaptureOptions): void {
  checkIp('host', options.host);
  if (Buffer.byteLength(options.comment) > 65_535) {
    refuse('comment', options.comment.length, 'at most 65,535 bytes');
  }
  checkInteger('streams.length', options.streams.length, 1, 8);
  for (const stream of options.streams) {
    checkAddress('streams.remote.rtp', stream.remote.rtp);
    checkAddress('streams.remote.rtcp', stream.remote.rtcp);
    checkClockRates(stream.clockRates);
  }
}
