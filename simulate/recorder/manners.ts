/** How a recorder behaves. What a fault changes, and `wellMannered` puts right again. */
export interface Manners {
  /** Final answer to an INVITE instead of 200, with Retry-After in seconds; `times` left, Infinity for good. */
  readonly refuses:
    | {
        readonly status: number;
        readonly retryAfter?: number;
        readonly times: number;
      }
    | undefined;
  readonly answerMs: number;
  readonly answer:
    | 'well'
    /** Every m-line with port 0. */
    | 'portZero'
    /** The second m-line with port 0. */
    | 'oneLine'
    /** It says `inactive`, and nothing more ever. */
    | 'inactive'
    /** It says `inactive`, and takes the media a second later. */
    | 'inactiveFirst'
    | 'nullAddress'
    /** 200 without SDP. */
    | 'empty';
  /** The process is stopped: nothing is read, nothing is answered. */
  readonly hangs: boolean;
  /** Requests in dialogs are answered 481. */
  readonly forgets: boolean;
  /** OPTIONS are answered 503, about to go. */
  readonly leaves: boolean;
  /** Its reports say that all came that was sent, whatever did. */
  readonly lies: boolean;
  /** It says nothing of what it receives. */
  readonly mute: boolean;
  /** What it receives does not reach its disk, and is not reported. */
  readonly deaf: boolean;
}

export const wellMannered: Manners = {
  refuses: undefined,
  answerMs: 2,
  answer: 'well',
  hangs: false,
  forgets: false,
  leaves: false,
  lies: false,
  mute: false,
  deaf: false,
};
