import { TandemError } from '../src/errors.ts';
import type { ErrorCode } from '../src/errors.ts';
import type { DrivenCalls } from './call-driver.ts';

/** Who answers now. */
export interface AnsweringCalls {
  readonly calls: DrivenCalls;
  /** Resolves when nobody answers any more. */
  readonly died: Promise<undefined>;
}

const isGone = Symbol('gone');

/**
 * What a client does whose server dies: it asks again, until somebody answers. That it had been done the first time is told by how it is
 * refused then.
 */
export class PatientCalls implements DrivenCalls {
  readonly #answering: () => Promise<AnsweringCalls>;
  readonly #now: () => DrivenCalls;

  /** @param now throws while nobody answers */
  constructor(answering: () => Promise<AnsweringCalls>, now: () => DrivenCalls) {
    this.#answering = answering;
    this.#now = now;
  }

  create: DrivenCalls['create'] = (request) =>
    this.#ask((calls) => calls.create(request), ['CALL_EXISTS', { id: '', offer: '' }]);

  answer: DrivenCalls['answer'] = (callId, sdp) =>
    this.#ask((calls) => calls.answer(callId, sdp), ['ANSWER_ALREADY_GIVEN', { answer: '' }]);

  reoffer: DrivenCalls['reoffer'] = (callId, party, sdp) =>
    this.#ask((calls) => calls.reoffer(callId, party, sdp));

  rejectReoffer: DrivenCalls['rejectReoffer'] = (callId) =>
    this.#ask((calls) => calls.rejectReoffer(callId), ['CALL_STATE', undefined]);

  delete: DrivenCalls['delete'] = (callId) =>
    this.#ask((calls) => calls.delete(callId), ['CALL_NOT_FOUND', undefined]);

  recording: DrivenCalls['recording'] = async (callId, action) => {
    const order = (calls: DrivenCalls): Promise<unknown> => calls.recording(callId, action);
    await this.#ask(order, action === 'stop' ? ['RECORDING_OFF', undefined] : undefined);
    return (await this.#answering()).calls.get(callId);
  };

  get: DrivenCalls['get'] = (callId) => this.#now().get(callId);

  /** @param done which refusal says that it was done before, and what it comes to */
  async #ask<T>(
    ask: (calls: DrivenCalls) => Promise<T>,
    done?: readonly [code: ErrorCode, outcome: T],
  ): Promise<T> {
    let isAgain = false;
    for (;;) {
      const { calls, died } = await this.#answering();
      try {
        const outcome: unknown = await Promise.race([ask(calls), died.then(() => isGone)]);
        if (outcome !== isGone) return outcome as T;
      } catch (error) {
        const isDone = isAgain && error instanceof TandemError && error.code === done?.[0];
        if (!isDone) throw error;
        return done[1];
      }
      isAgain = true;
    }
  }
}
