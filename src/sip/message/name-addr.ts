import { endOfQuoted, parseParameters, unquote } from './grammar.ts';
import type { Parameters } from './grammar.ts';
import { uriScheme } from './uri.ts';

/** The value of From, To, Contact, Route and Record-Route: `"Name" <uri>;params` or `uri;params`. */
export interface NameAddr {
  readonly displayName: string;
  readonly uri: string;
  /** Names in lower case, values without quotes, `''` for those without a value. */
  readonly params: Parameters;
}

/**
 * @param options.forgiving accept a missing `>`, as some SRCs send in Contact; parameters that begin with `+` are
 * then header parameters, the others the URI's
 */
export function parseNameAddr(
  value: string,
  options: { forgiving?: boolean } = {},
): NameAddr | undefined {
  const text = value.trim();
  let open: number;
  if (text.startsWith('"')) {
    const end = endOfQuoted(text, 0);
    if (end === -1) return undefined;
    open = text.indexOf('<', end);
    if (open === -1 || text.slice(end, open).trim() !== '') return undefined;
  } else open = text.indexOf('<');

  if (open === -1) {
    // Without brackets, what follows ; belongs to the header, not to the URI (RFC 3261 section 20.10).
    const semicolon = text.indexOf(';');
    const uri = (semicolon === -1 ? text : text.slice(0, semicolon)).trim();
    return finish('', uri, semicolon === -1 ? '' : text.slice(semicolon));
  }

  const displayName = unquote(text.slice(0, open).trim());
  if (displayName.includes('"') && !text.startsWith('"')) return undefined;
  const close = text.indexOf('>', open);
  if (close !== -1)
    return finish(displayName, text.slice(open + 1, close).trim(), text.slice(close + 1));
  if (options.forgiving !== true) return undefined;
  const parts = text.slice(open + 1).split(';');
  const isFeature = (part: string): boolean => part.trimStart().startsWith('+');
  const uri = parts
    .filter((part) => !isFeature(part))
    .join(';')
    .trim();
  const features = parts.filter(isFeature);
  return finish(displayName, uri, features.length === 0 ? '' : `;${features.join(';')}`);
}

function finish(displayName: string, uri: string, paramsText: string): NameAddr | undefined {
  const params = parseParameters(paramsText);
  if (params === undefined || uriScheme(uri) === undefined || /[\s<>"]/.test(uri)) return undefined;
  return { displayName, uri, params };
}
