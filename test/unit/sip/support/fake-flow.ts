import type { SipFlow, SipTransportName } from '../../../../src/sip/transport/flow.ts';
import type { FakeClock } from './fake-clock.ts';

/** Writes down what is sent and when. */
export class FakeFlow implements SipFlow {
  readonly transport: SipTransportName;
  readonly remote = { address: '192.0.2.1', port: 5060 };
  readonly sent: { atMs: number; text: string }[] = [];
  closed = false;
  retained = 0;
  readonly #clock: FakeClock;
  #onClose: ((error: Error) => void) | undefined;

  constructor(transport: SipTransportName, clock: FakeClock) {
    this.transport = transport;
    this.#clock = clock;
  }

  local(): Promise<{ address: string; port: number }> {
    return Promise.resolve({ address: '192.0.2.2', port: 5060 });
  }

  send(bytes: Buffer): void {
    this.sent.push({ atMs: this.#clock.now(), text: bytes.toString() });
  }

  retain(onClose: (error: Error) => void): () => void {
    this.retained++;
    this.#onClose = onClose;
    return () => {
      this.retained--;
      this.#onClose = undefined;
    };
  }

  close(): void {
    this.closed = true;
    this.#onClose?.(new Error('closed'));
  }

  /** When messages that begin so were sent. */
  times(start: string): number[] {
    return this.sent.filter(({ text }) => text.startsWith(start)).map(({ atMs }) => atMs);
  }
}
