import { TandemError } from '../errors.ts';
import type { Ledger } from '../recording/account/ledger.ts';
import type { CallRequest, CallState } from '../recording/call-state.ts';

/** As `GET /v1/recorders` tells it. */
export interface RecorderInfo {
  readonly id: string;
  readonly zone: string;
  readonly state: string;
  readonly pid?: number;
}

/** The HTTP API, as any other program would use it. Errors: INVALID_REQUEST with what the API said. */
export class TandemClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  createCall(request: CallRequest): Promise<{ id: string; offer: string }> {
    return this.#request('POST', '/v1/calls', request);
  }

  answerCall(id: string, answer: string): Promise<{ answer: string }> {
    return this.#request('POST', `/v1/calls/${id}/answer`, { answer });
  }

  getCall(id: string): Promise<CallState> {
    return this.#request('GET', `/v1/calls/${id}`);
  }

  getLedger(id: string): Promise<Ledger> {
    return this.#request('GET', `/v1/calls/${id}/ledger`);
  }

  async deleteCall(id: string): Promise<void> {
    await this.#request('DELETE', `/v1/calls/${id}`);
  }

  async listRecorders(): Promise<readonly RecorderInfo[]> {
    const { recorders } = await this.#request<{ recorders: RecorderInfo[] }>(
      'GET',
      '/v1/recorders',
    );
    return recorders;
  }

  async #request<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
    const text = await response.text();
    if (!response.ok) {
      throw new TandemError(
        'INVALID_REQUEST',
        `${method} ${path} was answered ${response.status}: ${text.slice(0, 500)}`,
      );
    }
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
}
