import { once } from 'node:events';
import type { TandemProcess } from '../../test/support/tandem-process.ts';

/** To be in NODE_OPTIONS of a process that is to be collected from outside. */
export const inspectorOptions = '--inspect-port=127.0.0.1:0';

/** Has a Node process collect its garbage, by the debugger's protocol, so that what is measured then is what is held. */
export class GarbageCollector {
  readonly #url: string;

  private constructor(url: string) {
    this.#url = url;
  }

  static async attach(tandem: TandemProcess): Promise<GarbageCollector> {
    tandem.child.kill('SIGUSR1');
    const address = await tandem.until(
      () => Promise.resolve(/Debugger listening on (ws:\S+)/.exec(tandem.log)?.[1]),
      (found) => found !== undefined,
    );
    return new GarbageCollector(address ?? '');
  }

  async collect(): Promise<void> {
    const socket = new WebSocket(this.#url);
    await once(socket, 'open');
    const answered = once(socket, 'message');
    socket.send(JSON.stringify({ id: 1, method: 'HeapProfiler.collectGarbage' }));
    await answered;
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  }
}
