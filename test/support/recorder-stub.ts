import type { TandemError } from '../../src/errors.ts';

/** A recorder as the stub world has it: what it does with SIP, with media, and what it really received. */
export class RecorderStub {
  readonly id: string;
  readonly zone: string;
  readonly ip: string;
  /** `dead`: the process is gone, its ports refuse. `hung`: nothing comes back from it. */
  health: 'well' | 'dead' | 'hung' = 'well';
  answersOptions = true;
  /** What an INVITE gets. `hold`: no answer until `world.client.answer`. */
  answer: 'accept' | 'inactive' | 'hold' | TandemError = 'accept';
  /** What a re-INVITE gets. */
  updates: 'accept' | 'hold' | TandemError = 'accept';
  /** Undefined: it sends no receiver reports. */
  reportEveryMs: number | undefined = 500;
  /** What its reports say, on every stream. */
  lost = 0;
  /** The last packets of every stream that never reach it. */
  tailLost = 0;
  /** Sequence numbers by record id and party. */
  readonly received = new Map<string, number[]>();

  constructor(id: string, zone: string, ip: string) {
    this.id = id;
    this.zone = zone;
    this.ip = ip;
  }

  get uri(): string {
    return `sip:${this.ip}:5060`;
  }

  receive(recordId: string, party: string, sequence: number): void {
    const key = `${recordId} ${party}`;
    const known = this.received.get(key) ?? [];
    known.push(sequence);
    this.received.set(key, known);
  }
}
