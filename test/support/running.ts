import { identityOf } from '../../src/supervisor/process-identity.ts';

/** What has ended and was not asked for its exit code yet does not count. */
export function isRunning(pid: number): boolean {
  return identityOf(pid) !== undefined;
}
