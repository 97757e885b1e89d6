import { isToken, parseDecimal } from './grammar.ts';

export interface CSeq {
  readonly number: number;
  readonly method: string;
}

/** RFC 3261 section 8.1.1.5: the number is less than 2**31. */
export function parseCSeq(value: string): CSeq | undefined {
  const space = value.search(/\s/);
  if (space === -1) return undefined;
  const number = parseDecimal(value.slice(0, space), 2 ** 31 - 1);
  const method = value.slice(space).trim();
  return number === undefined || !isToken(method) ? undefined : { number, method };
}
