/** One header field as callers write it: `['Reason', 'SIP;cause=200']`. */
export type Header = readonly [name: string, value: string];

/** Compact forms of RFC 3261 section 7.3.3 and the RFCs that registered more. */
const COMPACT_FORMS: ReadonlyMap<string, string> = new Map([
  ['a', 'accept-contact'],
  ['b', 'referred-by'],
  ['c', 'content-type'],
  ['d', 'request-disposition'],
  ['e', 'content-encoding'],
  ['f', 'from'],
  ['i', 'call-id'],
  ['j', 'reject-contact'],
  ['k', 'supported'],
  ['l', 'content-length'],
  ['m', 'contact'],
  ['o', 'event'],
  ['r', 'refer-to'],
  ['s', 'subject'],
  ['t', 'to'],
  ['u', 'allow-events'],
  ['v', 'via'],
  ['x', 'session-expires'],
  ['y', 'identity'],
]);

interface Field {
  readonly key: string;
  readonly name: string;
  value: string;
}

/** The lower-case long form under which a header is found. */
export function headerKey(name: string): string {
  const lower = name.toLowerCase();
  return lower.length === 1 ? (COMPACT_FORMS.get(lower) ?? lower) : lower;
}

/**
 * The header fields of a message, in order, repeated ones kept apart. Names are matched without regard to case,
 * compact forms are the same as long ones. Values are raw text: they are parsed where they are used.
 */
export class SipHeaders implements Iterable<Header> {
  readonly #fields: Field[] = [];

  constructor(headers: Iterable<Header> = []) {
    for (const [name, value] of headers) this.add(name, value);
  }

  /** Number of fields. */
  get size(): number {
    return this.#fields.length;
  }

  /** The first field of that name. */
  get(name: string): string | undefined {
    const key = headerKey(name);
    return this.#fields.find((field) => field.key === key)?.value;
  }

  /** Every field of that name, as they stand (a comma-separated list stays one string; see `splitList`). */
  getAll(name: string): string[] {
    const key = headerKey(name);
    const values: string[] = [];
    for (const field of this.#fields) if (field.key === key) values.push(field.value);
    return values;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  add(name: string, value: string): void {
    this.#fields.push({ key: headerKey(name), name, value });
  }

  /** Adds before every other field: where a Via goes. */
  prepend(name: string, value: string): void {
    this.#fields.unshift({ key: headerKey(name), name, value });
  }

  /** Gives the first field of that name this value, or adds it. */
  set(name: string, value: string): void {
    const key = headerKey(name);
    const field = this.#fields.find((candidate) => candidate.key === key);
    if (field === undefined) this.#fields.push({ key, name, value });
    else field.value = value;
  }

  *[Symbol.iterator](): Iterator<Header> {
    for (const { name, value } of this.#fields) yield [name, value];
  }
}
