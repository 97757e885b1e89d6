import { createHmac } from 'node:crypto';
import { TandemError } from '../errors.ts';

/** Old and new while they change. */
const secretsMax = 10;
const prefix = 'whsec_';

/**
 * The keys of Standard Webhooks: `whsec_` and base64, several of them with spaces or commas between. Nothing of what was given
 * is said in the error.
 */
export function webhookKeysOf(secrets: string | undefined): readonly Buffer[] {
  const given = (secrets ?? '').split(/[\s,]+/).filter((secret) => secret !== '');
  if (given.length > secretsMax) throw invalid(`at most ${secretsMax} secrets`);
  return given.map((secret, index) => {
    const base64 = secret.startsWith(prefix) ? secret.slice(prefix.length) : '';
    const key = Buffer.from(base64, 'base64');
    const isBase64 = key.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '');
    if (key.length === 0 || !isBase64) {
      throw invalid(`secret ${index + 1} of ${given.length} is not ${prefix} and base64`);
    }
    return key;
  });
}

/** `webhook-signature`: of the same message by every key. */
export function signatureOf(keys: readonly Buffer[], message: string): string {
  return keys
    .map((key) => `v1,${createHmac('sha256', key).update(message).digest('base64')}`)
    .join(' ');
}

function invalid(reason: string): TandemError {
  const path = 'TANDEM_WEBHOOK_SECRET';
  return new TandemError('CONFIG_INVALID', `${path}: ${reason}`, {
    details: { issues: [{ path, reason }] },
  });
}
