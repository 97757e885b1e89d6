import { loadAddon } from './addon.ts';

/** Who is at the other end of a Unix socket, as the kernel knows it (SO_PEERCRED): it cannot be made up. Throws EDGE_FAILED. */
export function peerCredentials(fd: number): { readonly pid: number; readonly uid: number } {
  return loadAddon().peerCredentials(fd);
}

/**
 * Locks a file for this process until that ends, however it ends; children do not inherit the lock. Throws EDGE_FAILED where the
 * file system has no locks.
 *
 * @param fd open for writing; closing any descriptor of the file gives the lock back
 * @returns undefined, or the id of the process that has the lock (0: one that cannot be seen from here)
 */
export function lockFile(fd: number): number | undefined {
  return loadAddon().lockFile(fd);
}

/** One datagram to the service manager's socket: sd_notify(3). Throws EDGE_FAILED when it is not taken. */
export function notifyService(socket: string, state: string): void {
  loadAddon().notifyService(socket, state);
}
