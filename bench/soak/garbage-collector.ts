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

  /** @param pid of one of its processes that run Node: all write into one log, so one may be attached at a time */
  static async attach(tandem: TandemProcess, pid: number): Promise<GarbageCollector> {
    const addresses = (): string[] =>
      Array.from(tandem.log.matchAll(/Debugger listening on (ws:\S+)/g), ([, url]) => url ?? '');
    const before = addresses().length;
    process.kill(pid, 'SIGUSR1');
    const after = await tandem.until(
      () => Promise.resolve(addresses()),
      ({ length }) => length > before,
    );
    return new GarbageCollector(after.at(-1) ?? '');
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
