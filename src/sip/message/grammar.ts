/** Character scanners shared by the header parsers: one pass each, no backtracking. */

const TOKEN_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~";
const IS_TOKEN: readonly boolean[] = Array.from({ length: 128 }, (_, code) =>
  TOKEN_CHARACTERS.includes(String.fromCharCode(code)),
);

/** RFC 3261 section 25.1, `token`. */
export function isToken(text: string): boolean {
  if (text.length === 0) return false;
  for (let i = 0; i < text.length; i++) if (IS_TOKEN[text.charCodeAt(i)] !== true) return false;
  return true;
}

/** A whole decimal number of at most `max`. */
export function parseDecimal(text: string, max: number): number | undefined {
  if (text.length === 0 || text.length > 10) return undefined;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value <= max ? value : undefined;
}

/** Index after the quoted string that starts at `start`, or -1 when it does not end. */
export function endOfQuoted(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const character = text[i];
    if (character === '\\') i++;
    else if (character === '"') return i + 1;
  }
  return -1;
}

/** Splits at a separator that stands neither in a quoted string nor between `<` and `>`. */
function splitOutside(text: string, separator: string, limit: number): string[] {
  // What stands in most messages: nothing to split, or nothing that a separator could hide in.
  if (!text.includes(separator)) return [text.trim()];
  if (limit === Number.MAX_SAFE_INTEGER && !text.includes('"') && !text.includes('<'))
    return text.split(separator).map((part) => part.trim());
  const parts: string[] = [];
  let start = 0;
  let inAngle = false;
  for (let i = 0; i < text.length && parts.length < limit - 1; i++) {
    const character = text[i];
    if (character === '"' && !inAngle) {
      const end = endOfQuoted(text, i);
      if (end === -1) break;
      i = end - 1;
    } else if (character === '<') inAngle = true;
    else if (character === '>') inAngle = false;
    else if (character === separator && !inAngle) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  parts.push(text.slice(start).trim());
  return parts;
}

/** The elements of a comma-separated header value. */
export function splitList(value: string): string[] {
  return splitOutside(value, ',', Number.MAX_SAFE_INTEGER).filter((part) => part !== '');
}

/** The first element of a comma-separated value, and the rest. */
export function splitFirst(value: string): [first: string, rest: string | undefined] {
  const [first = '', rest] = splitOutside(value, ',', 2);
  return [first, rest];
}

/** A quoted string without its quotes and escapes; other text as it is. */
export function unquote(text: string): string {
  if (!text.startsWith('"') || endOfQuoted(text, 0) !== text.length) return text;
  let plain = '';
  for (let i = 1; i < text.length - 1; i++) {
    if (text[i] === '\\') i++;
    plain += text[i] ?? '';
  }
  return plain;
}

export type Parameters = Map<string, string>;

/**
 * `;name=value;flag`: names in lower case, values without quotes, `''` for those without a value. The first of two
 * equal names counts.
 * @returns undefined when a parameter is empty or its name is no token
 */
export function parseParameters(text: string): Parameters | undefined {
  const parameters: Parameters = new Map();
  const trimmed = text.trim();
  if (trimmed === '') return parameters;
  if (!trimmed.startsWith(';')) return undefined;
  for (const part of splitOutside(trimmed.slice(1), ';', Number.MAX_SAFE_INTEGER)) {
    const equals = part.indexOf('=');
    const name = (equals === -1 ? part : part.slice(0, equals)).trim();
    if (!isToken(name)) return undefined;
    const key = name.toLowerCase();
    if (!parameters.has(key))
      parameters.set(key, equals === -1 ? '' : unquote(part.slice(equals + 1).trim()));
  }
  return parameters;
}
