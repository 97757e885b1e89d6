/** What a parent process is told, if it has a channel to this one, when calls can be placed. */
export interface ServeReady {
  readonly ready: true;
  /** URL of the API. */
  readonly http: string;
  readonly recorders: number;
}

export function readyLine({ http, recorders }: ServeReady): string {
  return `Tandem is ready: ${http} (OpenAPI at /openapi.json), ${recorders} recorders\n`;
}
