import type { StreamReport } from '../edge/types.ts';
import type { CallMedia, Party, PartyMedia, Payload } from '../recording/interfaces.ts';
import type { CallRoute } from './call-route.ts';
import { bothParties, otherParty, type PartyPort } from './party.ts';
import { receives, sends, type SessionDescription } from './sdp.ts';

/** A call as the bridge has it. */
export interface BridgeCall {
  readonly callId: string;
  readonly shard: number;
  readonly ports: Readonly<Record<Party, PartyPort>>;
  readonly route: CallRoute;
  /** The offer that waits for an answer: `from` is who made it. */
  pending: { readonly from: Party; readonly offer: SessionDescription } | undefined;
  answered: boolean;
  payloads: readonly Payload[];
}

export function portId(call: BridgeCall, party: Party): number {
  return call.ports[party].opened.portId;
}

export function portsOf(call: BridgeCall): number[] {
  return bothParties.map((party) => portId(call, party));
}

export function describe(
  call: BridgeCall,
  reports: Readonly<Record<Party, StreamReport>>,
): CallMedia {
  const party = (name: Party): PartyMedia => {
    const { opened, remote } = call.ports[name];
    return {
      local: opened.rtp,
      ...(remote && { remote }),
      report: reports[name],
    };
  };
  return { callId: call.callId, path: call.route.path, parties: { a: party('a'), b: party('b') } };
}

/** RFC 3264: it said that it sends, and the other one takes it. */
export function sendsMedia({ answered, payloads, ports }: BridgeCall, party: Party): boolean {
  if (!answered || payloads.length === 0) return false;
  const own = ports[party].audio;
  const peer = ports[otherParty(party)].audio;
  return (
    own !== undefined && peer !== undefined && sends(own.direction) && receives(peer.direction)
  );
}

/** mediasoup's loopback ports must not take those that are pinned for parties: the larger part beside them. */
export function portsBeside(pinned: { min: number; max: number }): { min: number; max: number } {
  const below = { min: 1_024, max: pinned.min - 1 };
  const above = { min: pinned.max + 1, max: 65_535 };
  return above.max - above.min >= below.max - below.min ? above : below;
}
