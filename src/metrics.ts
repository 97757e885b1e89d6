import { collectDefaultMetrics, Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { EdgeCounters } from './edge/types.ts';

/**
 * Every metric of Tandem, defined once. Base units; counters end in `_total`; labels are bounded: never a call id, a
 * record id or an SSRC. Gauges are read at scrape, through `MetricSources`.
 */

/** What is asked at scrape. Each must be cheap, and must not throw while its part is starting or closing. */
export interface MetricSources {
  /** Calls by state and path. */
  readonly calls: () => readonly {
    readonly state: string;
    readonly path: string;
    readonly count: number;
  }[];
  /** Recording sessions by state. */
  readonly recordingSessions: () => readonly { readonly state: string; readonly count: number }[];
  /** Recorder ids are configured, so they may be labels. */
  readonly recorders: () => readonly {
    readonly id: string;
    readonly state: string;
    readonly sessions: number;
    readonly capacity: number;
  }[];
  /** Those that live. */
  readonly processes: () => readonly {
    readonly role: string;
    readonly id: string;
    /** RFC 3339. */
    readonly startedAt: string;
    readonly starts: number;
  }[];
  /** Those that are kept alive, whether they live or not. */
  readonly processDeaths: () => readonly {
    readonly role: string;
    readonly id: string;
    readonly deaths: number;
  }[];
  /** Undefined while there is no edge. */
  readonly edge: () => EdgeCounters | undefined;
}

export interface Metrics {
  readonly registry: Registry;

  /** Calls that were accepted. */
  readonly callsCreated: Counter;
  /** `reason`: error code. Requests that were not even valid are in `httpRequests` only. */
  readonly callsRejected: Counter<'reason'>;
  /** `result`: `ended`, `moved` or `failed`. */
  readonly recordingSessionsEnded: Counter<'result'>;
  /** Recorders that did not take a session. `reason`: error code. */
  readonly recordingSessionsRefused: Counter<'reason'>;
  /** INVITE sent to media address known. */
  readonly recordingSetupSeconds: Histogram;
  /** Times that a leg found itself without a recorder. */
  readonly scarceLegs: Counter;

  /** `reason`: FailureReason. */
  readonly failovers: Counter<'reason'>;
  readonly failoverDetectionSeconds: Histogram<'reason'>;
  readonly failoverDurationSeconds: Histogram<'reason'>;
  /** Media that no live recorder of its leg received. */
  readonly lostMediaSeconds: Counter;
  readonly lostPackets: Counter;
  readonly replayedPackets: Counter;

  /** How long the parties of a call had no media because a mediasoup worker died or hung. */
  readonly mediaInterruptionSeconds: Histogram;
  readonly mediasoupWorkersDied: Counter;
  readonly mediasoupWorkersHung: Counter;

  readonly ledgersWritten: Counter;
  /** `reason`: `queue-full` or `write`. */
  readonly ledgersDropped: Counter<'reason'>;

  /** `kind`: AlarmKind. */
  readonly alarms: Counter<'kind'>;
  readonly webhooksSent: Counter;
  /** `reason`: `queue-full` or `attempts`. */
  readonly webhooksDropped: Counter<'reason'>;

  /** Requests that named a recording session's dialog and came from elsewhere. */
  readonly sipStrangers: Counter<'method'>;

  readonly httpRequests: Counter<'route' | 'method' | 'status'>;
  readonly httpRequestSeconds: Histogram<'route' | 'method'>;
}

/** From a millisecond (ICMP) to the slowest timeout. */
const failoverBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 30];
const setupBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createMetrics(registry: Registry, sources: MetricSources): Metrics {
  const registers = [registry];
  const counter = <L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
  ): Counter<L> => new Counter<L>({ name: `tandem_${name}`, help, labelNames, registers });
  const histogram = <L extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly L[] = [],
  ): Histogram<L> =>
    new Histogram<L>({ name: `tandem_${name}`, help, buckets, labelNames, registers });

  collectDefaultMetrics({ register: registry, prefix: 'tandem_' });
  defineStateGauges(registry, sources);
  defineProcessMetrics(registry, sources);
  defineEdgeMetrics(registry, sources.edge);

  return {
    registry,
    callsCreated: counter('calls_created_total', 'Calls that were accepted'),
    callsRejected: counter('calls_rejected_total', 'Calls that were refused, by error code', [
      'reason',
    ]),
    recordingSessionsEnded: counter(
      'recording_sessions_total',
      'Recording sessions that are over, by result: ended, moved, failed',
      ['result'],
    ),
    recordingSessionsRefused: counter(
      'recording_sessions_refused_total',
      'Sessions that a recorder did not take, by error code',
      ['reason'],
    ),
    recordingSetupSeconds: histogram(
      'recording_setup_seconds',
      'From INVITE to the media address of the recorder',
      setupBuckets,
    ),
    scarceLegs: counter(
      'recording_scarce_legs_total',
      'Legs that no recorder could take when they were asked for',
    ),
    failovers: counter('failovers_total', 'Legs that left a failed recorder, by reason', [
      'reason',
    ]),
    failoverDetectionSeconds: histogram(
      'failover_detection_seconds',
      'From the first packet not received to the moment it was known, by reason',
      failoverBuckets,
      ['reason'],
    ),
    failoverDurationSeconds: histogram(
      'failover_duration_seconds',
      'From that moment to the first packet sent to the next recorder, by reason',
      failoverBuckets,
      ['reason'],
    ),
    lostMediaSeconds: counter(
      'lost_media_seconds_total',
      'Media that no live recorder of its leg received',
    ),
    lostPackets: counter(
      'lost_packets_total',
      'Packets that no live recorder of their leg received',
    ),
    replayedPackets: counter(
      'replayed_packets_total',
      'Packets sent out of the ring after a failover',
    ),
    mediaInterruptionSeconds: histogram(
      'media_interruption_seconds',
      'How long parties had no media because a mediasoup worker died or hung',
      failoverBuckets,
    ),
    mediasoupWorkersDied: counter('mediasoup_workers_died_total', 'mediasoup workers that died'),
    mediasoupWorkersHung: counter(
      'mediasoup_workers_hung_total',
      'mediasoup workers that did nothing any more and were killed',
    ),
    ledgersWritten: counter('ledgers_written_total', 'Ledgers of ended calls that are on disk'),
    ledgersDropped: counter(
      'ledgers_dropped_total',
      'Ledgers of ended calls that were not written, by reason',
      ['reason'],
    ),
    alarms: counter('alarms_total', 'Alarms raised, by kind', ['kind']),
    webhooksSent: counter('webhooks_sent_total', 'Alarms that the webhook took'),
    webhooksDropped: counter('webhooks_dropped_total', 'Alarms that the webhook did not get', [
      'reason',
    ]),
    sipStrangers: counter(
      'sip_strangers_total',
      'Requests in a recording session that did not come from its recorder',
      ['method'],
    ),
    httpRequests: counter('http_requests_total', 'HTTP requests answered', [
      'route',
      'method',
      'status',
    ]),
    httpRequestSeconds: histogram(
      'http_request_duration_seconds',
      'From the request to the last byte of its answer',
      [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      ['route', 'method'],
    ),
  };
}

/** What stands in the README: name, type, help and labels of everything in the registry, by name. */
export function describeMetrics(
  registry: Registry,
): { name: string; type: string; help: string; labels: readonly string[] }[] {
  return registry
    .getMetricsAsArray()
    .map((metric) => {
      const labels = (metric as unknown as { labelNames?: readonly string[] }).labelNames ?? [];
      const { name, help } = metric;
      return { name, type: String(metric.type), help, labels };
    })
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

function defineStateGauges(registry: Registry, sources: MetricSources): void {
  const registers = [registry];
  new Gauge({
    name: 'tandem_calls',
    help: 'Calls now, by state and media path',
    labelNames: ['state', 'path'],
    registers,
    collect() {
      this.reset();
      for (const { state, path, count } of sources.calls()) this.set({ state, path }, count);
    },
  });
  new Gauge({
    name: 'tandem_recording_sessions',
    help: 'Recording sessions now, by state',
    labelNames: ['state'],
    registers,
    collect() {
      this.reset();
      for (const { state, count } of sources.recordingSessions()) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'tandem_recorders',
    help: 'Recorders now, by state',
    labelNames: ['state'],
    registers,
    collect() {
      this.reset();
      for (const { state } of sources.recorders()) this.inc({ state });
    },
  });
  new Gauge({
    name: 'tandem_recorder_sessions',
    help: 'Recording sessions now on each recorder',
    labelNames: ['recorder'],
    registers,
    collect() {
      this.reset();
      for (const { id, sessions } of sources.recorders()) this.set({ recorder: id }, sessions);
    },
  });
  new Gauge({
    name: 'tandem_recorder_capacity_sessions',
    help: 'Recording sessions that each recorder can take',
    labelNames: ['recorder'],
    registers,
    collect() {
      this.reset();
      for (const { id, capacity } of sources.recorders()) this.set({ recorder: id }, capacity);
    },
  });
}

/** Of all processes of this Tandem, in place of what is known of this one alone. */
function defineProcessMetrics(registry: Registry, sources: MetricSources): void {
  const registers = [registry];
  const labelNames = ['role', 'id'] as const;
  const startTime = 'tandem_process_start_time_seconds';
  registry.removeSingleMetric(startTime);
  new Gauge({
    name: startTime,
    help: 'When each process that lives was started: Unix time',
    ...{ labelNames, registers },
    collect() {
      this.reset();
      for (const { role, id, startedAt } of sources.processes()) {
        this.set({ role, id }, Date.parse(startedAt) / 1_000);
      }
    },
  });
  new Counter({
    name: 'tandem_process_starts_total',
    help: 'How often each process that lives was started',
    ...{ labelNames, registers },
    collect() {
      this.reset();
      for (const { role, id, starts } of sources.processes()) this.inc({ role, id }, starts);
    },
  });
  new Counter({
    name: 'tandem_process_deaths_total',
    help: 'Ends of processes that nobody asked for',
    ...{ labelNames, registers },
    collect() {
      this.reset();
      for (const { role, id, deaths } of sources.processDeaths()) this.inc({ role, id }, deaths);
    },
  });
}

/** The edge counts by itself; at scrape its sums are taken over. */
function defineEdgeMetrics(registry: Registry, read: MetricSources['edge']): void {
  const registers = [registry];
  type Sum = Exclude<keyof EdgeCounters, 'refused' | 'unforwarded'>;
  const totals: readonly (readonly [Sum, string, string])[] = [
    ['wakeups', 'edge_wakeups_total', 'Times that an edge thread woke up'],
    ['packetsIn', 'edge_packets_received_total', 'RTP packets taken from parties'],
    ['bytesIn', 'edge_received_bytes_total', 'RTP bytes taken from parties'],
    ['packetsToParties', 'edge_packets_to_parties_total', 'RTP packets sent to parties'],
    ['packetsToRelay', 'edge_packets_to_relay_total', 'RTP packets handed to mediasoup'],
    [
      'packetsFromRelay',
      'edge_packets_from_relay_total',
      'RTP and RTCP packets that came out of mediasoup',
    ],
    ['packetsToLegs', 'edge_packets_to_legs_total', 'RTP packets sent to recorders'],
    ['rtcpIn', 'edge_rtcp_packets_received_total', 'RTCP packets received'],
    ['rtcpOut', 'edge_rtcp_packets_sent_total', 'RTCP packets sent'],
    ['icmpErrors', 'edge_icmp_errors_total', 'ICMP errors read back'],
    ['sendErrors', 'edge_send_errors_total', 'Packets that the kernel did not take'],
    ['kernelDrops', 'edge_kernel_drops_total', 'Packets lost because a socket buffer was full'],
    ['droppedEvents', 'edge_dropped_events_total', 'Edge events that found their queue full'],
  ];
  for (const [key, name, help] of totals) {
    new Counter({
      name: `tandem_${name}`,
      help,
      registers,
      collect() {
        const counters = read();
        this.reset();
        if (counters !== undefined) this.inc(counters[key]);
      },
    });
  }
  const gauges: readonly (readonly [Sum, string, string])[] = [
    ['ports', 'edge_ports', 'Pinned ports now'],
    ['forks', 'edge_forks', 'Forks now: streams being sent to recorders'],
    ['captures', 'edge_captures', 'Capture files being written now'],
  ];
  for (const [key, name, help] of gauges) {
    new Gauge({
      name: `tandem_${name}`,
      help,
      registers,
      collect() {
        this.set(read()?.[key] ?? 0);
      },
    });
  }
  new Counter({
    name: 'tandem_rtp_refused_packets_total',
    help: 'Packets from the network that were not taken, by reason',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, packets] of Object.entries(read()?.refused ?? {})) {
        this.inc({ reason }, packets);
      }
    },
  });
  new Counter({
    name: 'tandem_rtp_unforwarded_packets_total',
    help: 'Packets recorded that mediasoup does not forward, by reason',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, packets] of Object.entries(read()?.unforwarded ?? {})) {
        this.inc({ reason }, packets);
      }
    },
  });
}
