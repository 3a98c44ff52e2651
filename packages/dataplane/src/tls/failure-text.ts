/** What Envoy's TLS library says where ours fails: BoringSSL's numbers and words for OpenSSL's. */
interface SslReason {
  readonly number: number;
  readonly text: string;
}

const library = 16 << 24;

const reasons: Readonly<Record<string, SslReason>> = {
  'wrong version number': { number: 247, text: 'WRONG_VERSION_NUMBER' },
  'unsupported protocol': { number: 240, text: 'UNSUPPORTED_PROTOCOL' },
  'no shared cipher': { number: 184, text: 'NO_SHARED_CIPHER' },
  'no ciphers available': { number: 175, text: 'NO_CIPHERS_AVAILABLE' },
  'no protocols available': { number: 175, text: 'NO_CIPHERS_AVAILABLE' },
  'http request': { number: 156, text: 'HTTP_REQUEST' },
  'https proxy request': { number: 157, text: 'HTTPS_PROXY_REQUEST' },
  'unexpected message': { number: 223, text: 'UNEXPECTED_MESSAGE' },
  'unknown protocol': { number: 234, text: 'UNKNOWN_PROTOCOL' },
  'peer did not return a certificate': {
    number: 192,
    text: 'PEER_DID_NOT_RETURN_A_CERTIFICATE:peer_did_not_provide_required_client_certificate',
  },
};

/** Alerts of the peer by number (RFC 8446 section 6): BoringSSL adds 1000. */
const alerts: Readonly<Record<number, string>> = {
  10: 'SSLV3_ALERT_UNEXPECTED_MESSAGE',
  20: 'SSLV3_ALERT_BAD_RECORD_MAC',
  22: 'TLSV1_ALERT_RECORD_OVERFLOW',
  40: 'SSLV3_ALERT_HANDSHAKE_FAILURE',
  42: 'SSLV3_ALERT_BAD_CERTIFICATE',
  43: 'SSLV3_ALERT_UNSUPPORTED_CERTIFICATE',
  44: 'SSLV3_ALERT_CERTIFICATE_REVOKED',
  45: 'SSLV3_ALERT_CERTIFICATE_EXPIRED',
  46: 'SSLV3_ALERT_CERTIFICATE_UNKNOWN',
  47: 'SSLV3_ALERT_ILLEGAL_PARAMETER',
  48: 'TLSV1_ALERT_UNKNOWN_CA',
  49: 'TLSV1_ALERT_ACCESS_DENIED',
  50: 'TLSV1_ALERT_DECODE_ERROR',
  51: 'TLSV1_ALERT_DECRYPT_ERROR',
  70: 'TLSV1_ALERT_PROTOCOL_VERSION',
  71: 'TLSV1_ALERT_INSUFFICIENT_SECURITY',
  80: 'TLSV1_ALERT_INTERNAL_ERROR',
  86: 'TLSV1_ALERT_INAPPROPRIATE_FALLBACK',
  90: 'TLSV1_ALERT_USER_CANCELLED',
  100: 'TLSV1_ALERT_NO_RENEGOTIATION',
  110: 'TLSV1_ALERT_UNSUPPORTED_EXTENSION',
  112: 'TLSV1_ALERT_UNRECOGNIZED_NAME',
  114: 'TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE',
  116: 'TLSV1_ALERT_CERTIFICATE_REQUIRED',
  120: 'TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
};

/** `TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end` for an error of a handshake. */
export function handshakeFailure(error: Error, helloRefused = false): string {
  const alert = /SSL alert number (\d+)/.exec(error.message)?.[1];
  if (alert !== undefined) {
    const text = alerts[Number(alert)] ?? `TLSV1_ALERT_${alert}`;
    const first = entry({ number: 1000 + Number(alert), text });
    // BoringSSL adds that the alert came in answer to its first message.
    return wrap(helloRefused && alert === '40' ? `${first}|${entry({ number: 154, text: 'HANDSHAKE_FAILURE_ON_CLIENT_HELLO' })}` : first);
  }
  const reason: unknown = Reflect.get(error, 'reason');
  const known = typeof reason === 'string' ? reasons[reason] : undefined;
  if (known !== undefined) return wrap(entry(known));
  const code: unknown = Reflect.get(error, 'code');
  return wrap(`${typeof code === 'string' ? code : 'error'}:${typeof reason === 'string' ? reason : error.message}`);
}

/** The same form for a certificate that was not accepted. */
export function verifyFailure(detail: string): string {
  return wrap(entry({ number: 125, text: `CERTIFICATE_VERIFY_FAILED:verify cert failed: ${detail}` }));
}

/** A handshake that needs a certificate ended without one. */
export const noPeerCertificate = 'PEER_DID_NOT_RETURN_A_CERTIFICATE';

function entry({ number, text }: SslReason): string {
  return `${library + number}:SSL routines:OPENSSL_internal:${text}`;
}

function wrap(entries: string): string {
  return `TLS_error:|${entries}:TLS_error_end`.replaceAll(/\s+/g, '_');
}
