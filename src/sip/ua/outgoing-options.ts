import { SipHeaders } from '../message/headers.ts';
import { NO_BODY } from '../message/sip-message.ts';
import type { SipResponse } from '../message/sip-message.ts';
import { parseSipUri } from '../message/uri.ts';
import { newCallId, newTag } from '../transaction/identifiers.ts';
import { contactHeader, contactUri } from './contact.ts';
import type { SipCore } from './core.ts';
import { addIdentity } from './identity.ts';
import { addressOfRecord } from './outgoing-invite.ts';
import { SipFailure } from './sip-failure.ts';
import type { OptionsOptions } from './user-agent-options.ts';

/** RFC 3261 section 11: asks a peer what it can do, mostly to see whether it is there. */
export function askOptions(core: SipCore, options: OptionsOptions): Promise<SipResponse> {
  const { uri, transport, timeoutMs, headers: extra = [], signal } = options;
  const nextHop = parseSipUri(uri);
  if (nextHop === undefined)
    return Promise.reject(SipFailure.transport(new Error(`not a SIP URI: ${uri}`)));
  if (signal?.aborted === true)
    return Promise.reject(SipFailure.cancelled('Cancelled', signal.reason));
  const callId = newCallId(core.random);
  const tag = newTag(core.random);
  const { promise, resolve, reject } = Promise.withResolvers<SipResponse>();
  const settle = (): void => {
    core.clock.clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  };
  const giveUp = (failure: SipFailure): void => {
    settle();
    sent.abandon();
    reject(failure);
  };
  const onAbort = (): void => {
    giveUp(SipFailure.cancelled('Cancelled', signal?.reason));
  };
  const sent = core.sender.send(
    {
      nextHop,
      forced: transport,
      build: (contact) => {
        const headers = new SipHeaders([
          ['Max-Forwards', '70'],
          ['From', `<${contactUri({ ...contact, transport: 'udp' })}>;tag=${tag}`],
          ['To', `<${addressOfRecord(uri)}>`],
          ['Call-ID', callId],
          ['CSeq', '1 OPTIONS'],
          ['Contact', contactHeader(contact, undefined)],
          ['Accept', core.identity.accept.join(', ')],
          ...extra,
        ]);
        addIdentity(headers, core.identity, 'request');
        return { kind: 'request', method: 'OPTIONS', uri, headers, body: NO_BODY };
      },
    },
    {
      onResponse: (response) => {
        if (response.status < 200) return;
        settle();
        resolve(response);
      },
      onFailure: (failure) => {
        settle();
        reject(failure);
      },
    },
  );
  const timer = core.clock.setTimeout(() => {
    giveUp(SipFailure.timeout());
  }, timeoutMs);
  signal?.addEventListener('abort', onAbort, { once: true });
  return promise;
}
