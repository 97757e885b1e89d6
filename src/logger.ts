import { pino, type Logger } from 'pino';

export type { Logger };

/** One logger a process, to standard error, so that standard output stays what a command prints. */
export function createLogger(level: string): Logger {
  return pino({ level, base: { pid: process.pid } }, pino.destination({ fd: 2, sync: false }));
}
