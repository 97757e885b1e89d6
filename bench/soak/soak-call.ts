import type { CallState } from '../../src/recording/call-state.ts';
import { RtpEndpoint } from '../../test/support/rtp-endpoint.ts';
import type { TandemProcess } from '../../test/support/tandem-process.ts';
import { mediaAddressOf } from '../sdp.ts';
import type { CallPlan } from './call-plan.ts';

export interface CallResult {
  readonly plan: CallPlan;
  /** After its end. */
  readonly state: CallState;
  /** Packets that a party sent, and that the other one got. */
  readonly sentPackets: number;
  readonly receivedPackets: number;
}

interface Address {
  readonly ip: string;
  readonly port: number;
}

/** One short call with two parties of ours, from its creation to the last look at what is left of it. */
export class SoakCall {
  readonly #tandem: TandemProcess;
  readonly #plan: CallPlan;
  readonly #a: RtpEndpoint;
  readonly #b: RtpEndpoint;
  /** Where each party sends to. */
  #to: { a: Address; b: Address } | undefined;

  private constructor(tandem: TandemProcess, plan: CallPlan, a: RtpEndpoint, b: RtpEndpoint) {
    this.#tandem = tandem;
    this.#plan = plan;
    this.#a = a;
    this.#b = b;
  }

  /** @throws when Tandem refuses any of it */
  static async run(tandem: TandemProcess, plan: CallPlan): Promise<CallResult> {
    const a = await RtpEndpoint.open({ ssrc: 0xaaaa_0001 });
    const b = await RtpEndpoint.open({ ssrc: 0xbbbb_0001 });
    try {
      const call = new SoakCall(tandem, plan, a, b);
      await call.#live();
      return {
        plan,
        state: await tandem.endCall(plan.id),
        sentPackets: a.sent.length + b.sent.length,
        receivedPackets: a.received.length + b.received.length,
      };
    } finally {
      a.close();
      b.close();
    }
  }

  async #live(): Promise<void> {
    const { id, kind, mode, path } = this.#plan;
    const { offer } = await this.#tandem.api<{ offer: string }>('POST', '/v1/calls', {
      id,
      offer: this.#a.sdp(),
      recording: { mode },
      media: { path },
    });
    if (kind === 'unanswered') return;
    const answer = await this.#answer(this.#b.sdp());
    this.#to = { a: mediaAddressOf(answer), b: mediaAddressOf(offer) };
    if (kind === 'silent' || kind === 'hasty') {
      if (kind === 'silent') await pass(this.#plan.packets * 20);
      return;
    }
    await this.#talk();
    switch (kind) {
      case 'plain':
        return;
      case 'paused':
        await this.#record('pause');
        await this.#talk();
        await this.#record('resume');
        break;
      case 'reoffered':
        await this.#move();
        break;
      case 'restarted':
        await this.#record('stop');
        await this.#record('start');
        break;
      default:
        kind satisfies never;
    }
    await this.#talk();
  }

  async #talk(): Promise<void> {
    if (this.#to === undefined) return;
    const { packets: count } = this.#plan;
    await Promise.all([
      this.#a.stream(this.#to.a, { count }),
      this.#b.stream(this.#to.b, { count }),
    ]);
  }

  async #move(): Promise<void> {
    await this.#a.moveToAnotherPort();
    await this.#tandem.api('POST', `/v1/calls/${this.#plan.id}/offer`, {
      party: 'a',
      offer: this.#a.sdp(),
    });
    await this.#answer(this.#b.sdp());
  }

  async #answer(sdp: string): Promise<string> {
    const { answer } = await this.#tandem.api<{ answer: string }>(
      'POST',
      `/v1/calls/${this.#plan.id}/answer`,
      { answer: sdp },
    );
    return answer;
  }

  async #record(action: string): Promise<void> {
    await this.#tandem.api('POST', `/v1/calls/${this.#plan.id}/recording`, { action });
  }
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
