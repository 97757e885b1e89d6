import assert from 'node:assert';
import { loadAddon } from '../../src/edge/addon.ts';
import { writeFork, writeRemote, writeRoute } from '../../src/edge/wire-options.ts';
import { WireWriter } from '../../src/edge/wire-writer.ts';
import { type WireCommand, wireMagic, wireVersion } from '../../src/edge/wire.ts';
import { mutate } from './mutate.ts';
import { generator } from './random.ts';

const address = { ip: '192.0.2.7', port: 4_000 };

function frame(
  command: WireCommand,
  write: (writer: WireWriter) => void = () => undefined,
): Buffer {
  const writer = new WireWriter(command, 7);
  write(writer);
  return writer.end();
}

const commands: readonly Buffer[] = [
  frame('hello', (writer) => {
    writer.u32(wireMagic);
    writer.u16(wireVersion);
  }),
  frame('resume', (writer) => {
    writer.u32(wireMagic);
    writer.u16(wireVersion);
    for (const half of [7, 8]) writer.u32(half);
  }),
  frame('openPort', (writer) => {
    writer.u32(0);
    writer.address({ ip: '2001:db8::1', port: 0 });
    writer.u8(1);
  }),
  frame('setRemote', (writer) => {
    writer.u32(64);
    writeRemote(writer, { rtp: address, rtcp: address, send: true, clockRates: { 9: 16_000 } });
  }),
  frame('setRoutes', (writer) => {
    const routes = [
      { portId: 64, route: { kind: 'relay', to: address, peerPortId: 128, payloadTypes: [0, 8] } },
      { portId: 128, route: { kind: 'bypass', peerPortId: 64 } },
      { portId: 192, route: { kind: 'none' } },
    ] as const;
    writer.list(routes, (route) => {
      writeRoute(writer, route);
    });
  }),
  frame('takeStock', (writer) => {
    writer.ids([64]);
    writer.ids([128, 192]);
  }),
  frame('addForks', (writer) => {
    const fork = {
      ...{ portId: 64, streamIndex: 1, rtp: address, rtcp: address, paused: true },
      from: { kind: 'sequence', sequence: 70_000 },
      keptOut: [{ first: 65_537, last: 65_540 }],
    } as const;
    writer.list([fork], (one) => {
      writeFork(writer, one);
    });
  }),
  frame('setForkTarget', (writer) => {
    writer.u32(128);
    writer.address(address);
    writer.address(address);
  }),
  frame('pauseFork', (writer) => {
    writer.u32(128);
    writer.f64(70_000);
  }),
  frame('inventory'),
];

/**
 * Mutated commands, alone and several at once, through what reads them in the edge's process: nothing is run. As for RTP, a crash or a
 * sanitizer ends the process.
 */
export function fuzzChannel(seconds: number, seed: number): { executions: number } {
  const addon = loadAddon();
  const random = generator(seed);
  const inputs = [...commands, Buffer.concat(commands)];
  for (const input of inputs) assert(addon.fuzzChannel(input));
  const endsAt = Date.now() + seconds * 1_000;
  let executions = 0;
  while (Date.now() < endsAt) {
    for (let i = 0; i < 200; ++i) {
      const pick = () => inputs[random(inputs.length)]!;
      const input = mutate(pick(), pick(), random);
      executions += 1;
      if (!addon.fuzzChannel(input) || random(20) !== 0) continue;
      if (inputs.length < 500) inputs.push(input);
      else inputs[commands.length + random(inputs.length - commands.length)] = input;
    }
  }
  return { executions };
}
