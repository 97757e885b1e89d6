import { killEdge } from '../edge/edge-group.ts';
import { createLogger } from '../logger.ts';
import { isStillThere, ProcessRegistry, type RegistryEntry } from './process-registry.ts';

/** SIGKILL to all processes of a state directory, for those who cannot wait for the supervisor to end them. */
export function killTree(stateDir: string): void {
  const logger = createLogger('silent');
  const entries = (): readonly RegistryEntry[] => ProcessRegistry.read(stateDir, logger).list();
  // It would start the others again.
  kill(entries().filter(({ role }) => role === 'supervisor'));
  kill(entries());
  killEdge(stateDir);
}

function kill(entries: readonly RegistryEntry[]): void {
  for (const entry of entries) {
    if (entry.last === undefined || !isStillThere(entry)) continue;
    try {
      process.kill(entry.last.pid, 'SIGKILL');
    } catch {
      // It went meanwhile.
    }
  }
}
