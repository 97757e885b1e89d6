/** How legs behave. Times: ms. */
export interface RecordingSettings {
  readonly replay: boolean;
  readonly replayOverlapMs: number;
  readonly drainMs: number;
  readonly finalReportMs: number;
  readonly suspicionMs: number;
  readonly inviteTimeoutMs: number;
  /** A recorder that took a session has this long to take all of its media. */
  readonly mediaTimeoutMs: number;
  readonly retry: { readonly initialMs: number; readonly maxMs: number };
}
