/** Session descriptions as the field sends them, by who sends them. */

const lines = (...texts: readonly string[]): string => texts.join('\r\n') + '\r\n';

export const asteriskOffer = lines(
  'v=0',
  'o=- 1483281463 1483281463 IN IP4 192.0.2.10',
  's=Asterisk',
  'c=IN IP4 192.0.2.10',
  't=0 0',
  'm=audio 14520 RTP/AVP 0 8 9 18 101',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:9 G722/8000',
  'a=rtpmap:18 G729/8000',
  'a=fmtp:18 annexb=no',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-16',
  'a=ptime:20',
  'a=maxptime:150',
  'a=sendrecv',
);

export const freeswitchOffer = lines(
  'v=0',
  'o=FreeSWITCH 1700000000 1700000001 IN IP4 198.51.100.7',
  's=FreeSWITCH',
  'c=IN IP4 198.51.100.7',
  't=0 0',
  'm=audio 24658 RTP/AVP 102 9 0 8 101 13',
  'a=rtpmap:102 opus/48000/2',
  'a=fmtp:102 useinbandfec=1; maxaveragebitrate=30000; maxplaybackrate=48000; ptime=20; minptime=10; maxptime=40',
  'a=rtpmap:9 G722/8000',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-15',
  'a=rtpmap:13 CN/8000',
  'a=rtcp:24659 IN IP4 198.51.100.7',
  'a=silenceSupp:off - - - -',
  'a=ptime:20',
);

export const baresipOffer = lines(
  'v=0',
  'o=- 3844325472 3844325473 IN IP4 203.0.113.5',
  's=-',
  'c=IN IP4 203.0.113.5',
  't=0 0',
  'a=tool:baresip 1.0.0',
  'm=audio 10502 RTP/AVP 0 8 97',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:97 telephone-event/8000',
  'a=fmtp:97 0-15',
  'a=rtcp:10503',
  'a=rtcp-mux',
  'a=sendrecv',
  'a=label:1',
  'a=rtcp-rsize',
  'a=ssrc:3310204563 cname:sip:alice@example.com',
  'a=ptime:20',
);

/** Linphone offers video too; here it was refused by the user. */
export const linphoneOffer = lines(
  'v=0',
  'o=alice 2890 2890 IN IP4 192.0.2.77',
  's=Talk',
  'c=IN IP4 192.0.2.77',
  't=0 0',
  'a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics',
  'a=record:off',
  'm=audio 7078 RTP/AVP 96 97 98 0 8 101 99 100',
  'a=rtpmap:96 opus/48000/2',
  'a=fmtp:96 useinbandfec=1',
  'a=rtpmap:97 speex/16000',
  'a=fmtp:97 vbr=on',
  'a=rtpmap:98 speex/8000',
  'a=fmtp:98 vbr=on',
  'a=rtpmap:101 telephone-event/48000',
  'a=rtpmap:99 telephone-event/16000',
  'a=rtpmap:100 telephone-event/8000',
  'm=video 0 RTP/AVP 96',
  'a=rtpmap:96 VP8/90000',
);

/** As Kamailio passes a desk phone's offer on, unchanged: static payload types without rtpmap, bare line feeds. */
export const kamailioOffer = [
  'v=0',
  'o=root 20001 20001 IN IP4 192.0.2.30',
  's=call',
  't=0 0',
  'm=audio 60000 RTP/AVP 8 18 3 101',
  'c=IN IP4 192.0.2.30',
  'a=rtpmap:101 telephone-event/8000',
  'a=nortpproxy:yes',
  'a=candidate:1 1 UDP 2130706431 192.0.2.30 60000 typ host',
  '',
].join('\n');

export const ipv6Offer = lines(
  'v=0',
  'o=- 1 1 IN IP6 2001:db8::10',
  's=-',
  'c=IN IP6 2001:db8::10',
  't=0 0',
  'm=audio 5004 RTP/AVP 0',
);

export const webrtcOffer = lines(
  'v=0',
  'o=- 4611731400430051336 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'c=IN IP4 0.0.0.0',
  'a=rtcp:9 IN IP4 0.0.0.0',
  'a=ice-ufrag:4ZcD',
  'a=ice-pwd:2/1muCWoOi3uLifh0NuRHlgF',
  'a=fingerprint:sha-256 AA:BB',
  'a=setup:actpass',
  'a=mid:0',
  'a=rtcp-mux',
  'a=rtpmap:111 opus/48000/2',
);

/** A plain offer, with lines replaced or added. */
export function plainSdp(options: {
  readonly ip?: string;
  readonly port?: number;
  readonly formats?: string;
  readonly attributes?: readonly string[];
}): string {
  const { ip = '127.0.0.1', port = 4_000, formats = '0', attributes = [] } = options;
  const family = ip.includes(':') ? 6 : 4;
  return lines(
    'v=0',
    `o=- 1 1 IN IP${family} ${ip}`,
    's=-',
    `c=IN IP${family} ${ip}`,
    't=0 0',
    `m=audio ${port} RTP/AVP ${formats}`,
    ...attributes.map((attribute) => `a=${attribute}`),
  );
}
