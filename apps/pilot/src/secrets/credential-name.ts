/** Where the material of an SDS resource lies. */
export interface CredentialName {
  readonly source: 'secrets' | 'configmaps';
  readonly namespace: string;
  readonly name: string;
  /** Only the CA certificate is wanted. */
  readonly authority: boolean;
  /** A Gateway API reference, which may name another namespace only where a ReferenceGrant allows it. */
  readonly gatewayApi: boolean;
}

export const AUTHORITY_SUFFIX = '-cacert';
const LABEL = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Reads `kubernetes://[ns/]name`, `kubernetes-gateway://ns/name` or `configmap://ns/name`; undefined for anything else. */
export function parseCredentialName(text: string, ownNamespace: string): CredentialName | undefined {
  const match = /^(kubernetes|kubernetes-gateway|configmap):\/\/(?:([^/]+)\/)?([^/]+)$/.exec(text);
  const [, scheme, namespace, name] = match ?? [];
  if (scheme === undefined || name === undefined || (namespace === undefined && scheme !== 'kubernetes')) return undefined;
  if (!LABEL.test(name) || (namespace !== undefined && !LABEL.test(namespace))) return undefined;
  return {
    source: scheme === 'configmap' ? 'configmaps' : 'secrets',
    namespace: namespace ?? ownNamespace,
    name,
    authority: scheme === 'configmap' || name.endsWith(AUTHORITY_SUFFIX),
    gatewayApi: scheme === 'kubernetes-gateway',
  };
}
