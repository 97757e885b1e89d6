import type { AddForkOptions, PortRemote, RoutedPort } from './types.ts';
import type { WireWriter } from './wire-writer.ts';
import { wireRoutes, wireStarts } from './wire.ts';

export function writeRemote(writer: WireWriter, remote: PortRemote): void {
  writer.address(remote.rtp);
  writer.address(remote.rtcp);
  writer.flag(remote.send);
  writer.list(Object.entries(remote.clockRates), ([payloadType, hz]) => {
    writer.u8(Number(payloadType));
    writer.u32(hz);
  });
}

export function writeRoute(writer: WireWriter, { portId, route }: RoutedPort): void {
  const peerPortId = route.kind === 'none' ? undefined : route.peerPortId;
  writer.u32(portId);
  writer.choice(wireRoutes, route.kind);
  writer.flag(peerPortId !== undefined);
  if (peerPortId !== undefined) writer.u32(peerPortId);
  if (route.kind !== 'relay') return;
  writer.address(route.to);
  writer.list(route.payloadTypes ?? [], (payloadType) => {
    writer.u8(payloadType);
  });
}

export function writeFork(writer: WireWriter, fork: AddForkOptions): void {
  const { from, paused, pausedFrom = 0, keptOut = [] } = fork;
  writer.u32(fork.portId);
  writer.u32(fork.streamIndex);
  writer.address(fork.rtp);
  writer.address(fork.rtcp);
  writer.choice(wireStarts, from.kind);
  writer.f64(from.kind === 'sequence' ? from.sequence : 0);
  writer.flag(paused);
  if (paused) writer.f64(pausedFrom);
  writer.list(keptOut, ({ first, last }) => {
    writer.f64(first);
    writer.f64(last);
  });
}
