import { err, type Result, XebecError } from '@xebec/core';

/** Why an ID, a key, a request or a certificate was turned down. The codes are stable: logs, metrics and tests name them. */
export type RefusalCode =
  | 'E_PEM'
  | 'E_DER'
  | 'E_SPIFFE_ID'
  | 'E_TRUST_DOMAIN'
  | 'E_KEY'
  | 'E_CSR'
  | 'E_CSR_ALGORITHM'
  | 'E_CSR_SIGNATURE'
  | 'E_CSR_SIZE'
  | 'E_TTL'
  | 'E_CERTIFICATE'
  | 'E_XFCC'
  | 'E_CA_EXPIRED'
  | 'E_CA_KEY'
  | 'E_CRL'
  | 'E_SVID_URI_SAN'
  | 'E_SVID_CA'
  | 'E_SVID_PATH'
  | 'E_SVID_KEY_USAGE'
  | 'E_SVID_EXTENDED_KEY_USAGE'
  | 'E_SVID_SUBJECT'
  | 'E_SVID_EXPIRED'
  | 'E_SVID_NOT_YET_VALID'
  | 'E_SVID_CHAIN'
  | 'E_JWT_FORMAT'
  | 'E_JWT_ALGORITHM'
  | 'E_JWT_KEY'
  | 'E_JWT_SIGNATURE'
  | 'E_JWT_SUBJECT'
  | 'E_JWT_CLAIM'
  | 'E_JWT_ISSUER'
  | 'E_JWT_AUDIENCE'
  | 'E_JWT_EXPIRED'
  | 'E_JWT_NOT_YET_VALID'
  | 'E_JWT_TTL'
  | 'E_BUNDLE'
  | 'E_SVID_TRUST_DOMAIN';

/** One refusal: a stable code and one line that says what is wrong, with the value. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
}

export function refuse(code: RefusalCode, message: string): { readonly ok: false; readonly error: Refusal } {
  return err({ code, message });
}

/** The value, or the refusal thrown as a XebecError of the same code: for callers to whom bad input is an operational failure. */
export function unwrap<T>(result: Result<T, Refusal>): T {
  if (result.ok) return result.value;
  throw new XebecError(result.error.code, result.error.message);
}

/** Shows outside text in a message: JSON-quoted, so control characters cannot forge log lines, and cut to 80 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
