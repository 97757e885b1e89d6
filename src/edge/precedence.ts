import { loadAddon } from './addon.ts';

/**
 * Of one thread (a process: its main one): a nice value, and a short slice, so that it is let in early when it wakes. False where
 * the system does not allow it (CAP_SYS_NICE, RLIMIT_NICE). See sched_setattr(2).
 *
 * @param nice -20 before everything else, 19 after
 */
export function takePrecedence(thread: number, nice: number): boolean {
  return loadAddon().takePrecedence(thread, nice);
}
