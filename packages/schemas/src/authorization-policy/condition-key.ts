import { nearest } from '@xebec/core';
import { address, notEmpty, oneWildcard, port, serviceAccount, type ValueCheck } from './values.ts';

const PLAIN: Readonly<Record<string, ValueCheck>> = {
  'source.ip': address,
  'remote.ip': address,
  'source.namespace': notEmpty,
  'source.serviceAccount': serviceAccount,
  'source.principal': notEmpty,
  'source.trustDomain': oneWildcard,
  'request.auth.principal': notEmpty,
  'request.auth.audiences': notEmpty,
  'request.auth.presenter': notEmpty,
  'destination.ip': address,
  'destination.port': port,
  'connection.sni': notEmpty,
};

/** These have the name of a header, claim or metadata field in brackets. */
const BRACKETED = ['request.headers', 'request.auth.claims', 'experimental.envoy.filters.'];

const GONE: Readonly<Record<string, string>> = {
  'destination.namespace': 'policies are of a namespace: put it there (metadata.namespace)',
  'destination.labels': 'use spec.selector',
  'destination.name': 'use spec.selector',
  'destination.user': 'use spec.selector',
};

/** How the values of a condition's key are checked, or what is wrong with the key. */
export function checkOfKey(key: string): ValueCheck | string {
  const plain = Object.hasOwn(PLAIN, key) ? PLAIN[key] : undefined;
  if (plain !== undefined) return plain;
  if (BRACKETED.some((prefix) => key.startsWith(prefix))) {
    const open = key.indexOf('[');
    return key.endsWith(']') && open > 0 && open < key.length - 2
      ? notEmpty
      : `"${key}" has no name in brackets, as in request.headers[x-id]`;
  }
  const instead = Object.entries(GONE).find(([gone]) => key === gone || (gone === 'destination.labels' && key.startsWith(gone)));
  if (instead !== undefined) return `"${key}" is not supported; ${instead[1]}`;
  const suggestion = nearest(key, [...Object.keys(PLAIN), ...BRACKETED]);
  return `unknown key "${key}"${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`;
}
