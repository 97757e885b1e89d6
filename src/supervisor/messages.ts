import { z } from 'zod';

/**
 * What supervisor and processes say to each other: a JSON object a line, over the Unix socket in the state directory. Keys that are
 * not known are passed over, so that processes of one version may be adopted by the supervisor of the next.
 */
export const protocolVersion = 1;

const id = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/);
const text = z.string().max(1_024);

/** Of processes that a supervisor starts. */
export const supervisedRoles = ['control', 'edge', 'recorder'] as const;
export type SupervisedRole = (typeof supervisedRoles)[number];
const supervisedRole = z.enum(supervisedRoles);

/** What is known of a process that is ready. */
export const processFacts = z.discriminatedUnion('role', [
  z.object({
    role: z.literal('control'),
    /** URL of its API. */
    http: text,
    httpPort: z.int().min(1).max(65_535),
    sipPort: z.int().min(1).max(65_535),
    /** How many it knows. */
    recorders: z.int().min(0),
  }),
  z.object({
    role: z.literal('recorder'),
    uri: text,
    capacity: z.int().min(1),
    reportsEveryMs: z.int().min(1),
  }),
  z.object({ role: z.literal('edge') }),
]);
export type ProcessFacts = z.infer<typeof processFacts>;
export type ControlFacts = Extract<ProcessFacts, { role: 'control' }>;

export const fromProcess = z.discriminatedUnion('is', [
  /** The first word; who speaks is seen by the socket's credentials. */
  z.object({
    is: z.literal('hello'),
    version: z.literal(protocolVersion),
    role: supervisedRole,
    id,
  }),
  z.object({ is: z.literal('ready'), facts: processFacts }),
  /** It cannot start, and ends. */
  z.object({ is: z.literal('failed'), code: z.string().max(64), message: text }),
  /** Of control: alarms of these deaths were raised. */
  z.object({ is: z.literal('deaths-told'), ids: z.array(text).max(1_000) }),
]);
export type FromProcess = z.infer<typeof fromProcess>;

const processView = z.object({
  role: z.enum(['supervisor', ...supervisedRoles]),
  id,
  pid: z.int().min(1),
  /** RFC 3339. */
  startedAt: text,
  /** How often it was started in this role and with this id. */
  starts: z.int().min(1),
});
export type SupervisedProcess = z.infer<typeof processView>;

const processCounts = z.object({
  role: z.enum(['supervisor', ...supervisedRoles]),
  id,
  starts: z.int().min(0),
  /** Of those not asked for. */
  deaths: z.int().min(0),
});
/** Of one role and id, also while there is no process. */
export type ProcessCounts = z.infer<typeof processCounts>;

const supervisedRecorder = z.object({
  id,
  uri: text,
  zone: text,
  capacity: z.int().min(1),
  pid: z.int().min(1),
  reportsEveryMs: z.int().min(1),
});
export type SupervisedRecorder = z.infer<typeof supervisedRecorder>;

const death = z.object({
  /** Of this death. */
  id: text,
  role: z.enum(['supervisor', ...supervisedRoles]),
  process: id,
  pid: z.int().min(1),
  /** Exit code or signal; `unseen`: nobody was there. */
  exit: text,
  /** RFC 3339: when it was noticed. */
  at: text,
});
/** Of a process, not asked for. */
export type Death = z.infer<typeof death>;

export const fromSupervisor = z.discriminatedUnion('is', [
  z.object({ is: z.literal('welcome'), pid: z.int().min(1) }),
  /** There is no place for this process: it is to end. */
  z.object({ is: z.literal('leave'), reason: text }),
  /** To control, whole, whenever something in it changes. */
  z.object({
    is: z.literal('tree'),
    /** Every recorder is up, or has failed to come up. */
    settled: z.boolean(),
    processes: z.array(processView).max(1_000),
    recorders: z.array(supervisedRecorder).max(1_000),
    /** Those that control has not said it told of yet. */
    deaths: z.array(death).max(1_000),
    counts: z.array(processCounts).max(1_000),
  }),
]);
export type FromSupervisor = z.infer<typeof fromSupervisor>;
export type ProcessTree = Extract<FromSupervisor, { is: 'tree' }>;
