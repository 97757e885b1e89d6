import { loadAddon } from './addon.ts';
import type { NativeView } from './addon.ts';
import { EdgeReads, guard } from './edge-reads.ts';

/** The memory of an edge that may run in another process, mapped to be read alone. */
export class EdgeView extends EdgeReads {
  readonly #native: NativeView;

  private constructor(native: NativeView) {
    super(native);
    this.#native = native;
  }

  /**
   * @param path of the memory: `Edge.memoryPath()`, or the file that it was started with
   * @param addonPath another build of the addon, e.g. the sanitized one
   * Throws EDGE_FAILED where there is none, or one of another version, or one that contradicts itself.
   */
  static open(path: string, addonPath?: string): EdgeView {
    const addon = loadAddon(addonPath);
    return new EdgeView(guard(() => new addon.EdgeView(path)));
  }

  /** When the edge's memory was made: Unix ms of its clock. */
  startedAt(): number {
    return guard(() => this.#native.startedAt());
  }

  /** Unmaps it. Idempotent. */
  close(): void {
    this.#native.close();
  }
}
