import type { LocalReply } from '@xebec/filters';
import type { AttemptFailure } from './retry-policy.ts';

const prefix = 'upstream connect error or disconnect/reset before headers. ';

const failures: Record<
  Exclude<AttemptFailure, 'overflow'>,
  { readonly text: string; readonly flag: 'UF' | 'UC' | 'UR' | 'LR' | 'UT' | 'UPE' }
> = {
  'connection-failure': { text: 'remote connection failure', flag: 'UF' },
  'connection-timeout': { text: 'connection timeout', flag: 'UF' },
  'connection-termination': { text: 'connection termination', flag: 'UC' },
  'remote-reset': { text: 'remote reset', flag: 'UR' },
  'refused-stream': { text: 'remote refused stream reset', flag: 'UR' },
  'local-reset': { text: 'local reset', flag: 'LR' },
  'protocol-error': { text: 'protocol error', flag: 'UPE' },
  'per-try-timeout': { text: 'local reset', flag: 'UT' },
};

/** The reason as response code details have it: `remote_reset`. */
export function failureDetails(reason: AttemptFailure): string {
  return reason === 'overflow' ? 'overflow' : failures[reason].text.replaceAll(' ', '_');
}

/** What the client hears when the last attempt failed before its response: Envoy's words, flags and details. */
export function failureReply(reason: AttemptFailure, detail: string, retried: boolean, suppressEnvoyHeaders: boolean): LocalReply {
  const body = prefix + (retried ? 'retried and the latest reset reason: ' : 'reset reason: ');
  if (reason === 'overflow') {
    return {
      status: 503,
      body: `${body}overflow`,
      details: 'upstream_reset_before_response_started{overflow}',
      flag: 'UO',
      headers: suppressEnvoyHeaders ? [] : ['x-envoy-overloaded', 'true'],
    };
  }
  const { flag } = failures[reason];
  // An own address that cannot be used is no fault of the upstream.
  const text = detail.startsWith('failed to bind to ') ? 'local connection failure' : failures[reason].text;
  const words = text.replaceAll(' ', '_');
  const details = reason === 'connection-failure' && detail !== '' ? `${words}|${detail.replaceAll(' ', '_')}` : words;
  return {
    status: reason === 'protocol-error' ? 502 : 503,
    body: body + text,
    details: `upstream_reset_before_response_started{${details}}`,
    flag,
  };
}

/** What the client hears when a cluster's load assignment says to drop the request. */
export function overloadReply(dropped: 'all' | 'some', suppressEnvoyHeaders: boolean): LocalReply {
  const name = dropped === 'all' ? 'unconditional-drop-overload' : 'drop-overload';
  return {
    status: 503,
    body: name.replaceAll('-', ' '),
    details: name.replaceAll('-', '_'),
    flag: dropped === 'all' ? 'UDO' : 'DO',
    headers: suppressEnvoyHeaders ? [] : [`x-envoy-${name}`, 'true'],
  };
}
