/** What an SDS resource name asks the agent for. */
export type SecretName =
  | { readonly kind: 'identity' }
  | { readonly kind: 'trust' }
  | { readonly kind: 'file-certificate'; readonly chainFile: string; readonly keyFile: string }
  | { readonly kind: 'file-roots'; readonly file: string }
  | { readonly kind: 'system-roots' };

/** Linux's own limit of a path. */
const MAX_NAME = 2 * 4096;

/**
 * Reads a name as Istio's agents do: `default`, `ROOTCA`, `file-cert:CHAIN~KEY`, `file-root:FILE` and `file-root:system`. Undefined for any
 * other: `kubernetes://`, `kubernetes-gateway://` and `configmap://` come from the pilot over ADS, and `invalid://` comes from nowhere.
 */
export function parseSecretName(name: string): SecretName | undefined {
  if (name.length > MAX_NAME) return undefined;
  if (name === 'default') return { kind: 'identity' };
  if (name === 'ROOTCA') return { kind: 'trust' };
  if (name === 'file-root:system') return { kind: 'system-roots' };
  if (name.startsWith('file-root:')) {
    const file = name.slice('file-root:'.length);
    return file === '' || file.includes('~') ? undefined : { kind: 'file-roots', file };
  }
  if (name.startsWith('file-cert:')) {
    const [chainFile = '', keyFile = '', ...more] = name.slice('file-cert:'.length).split('~');
    return chainFile === '' || keyFile === '' || more.length > 0 ? undefined : { kind: 'file-certificate', chainFile, keyFile };
  }
  return undefined;
}

/** Where systems keep their trusted roots in one file; the first that is there counts. */
export const SYSTEM_ROOT_FILES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
  '/usr/local/etc/ssl/cert.pem',
  '/etc/ssl/certs/ca-certificates',
];
