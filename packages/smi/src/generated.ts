import type { ConfigObject, FieldOrigin } from '@xebec/schemas';

/** Names the SMI object that an object was made of: `TrafficSplit/shop/canary`. */
export const MADE_FROM = 'xebec.dev/made-from';

const VERSIONS = { VirtualService: 'networking.istio.io/v1', AuthorizationPolicy: 'security.istio.io/v1' } as const;

/** An object of the mesh's own kinds in the place of another. Its version is that of what it was made of. */
export function generated<Spec>(
  origin: ConfigObject,
  kind: keyof typeof VERSIONS,
  name: string,
  spec: Spec,
  annotations: Readonly<Record<string, string>> = {},
): ConfigObject<Spec> {
  const { metadata, source } = origin;
  return {
    apiVersion: VERSIONS[kind],
    kind,
    metadata: {
      ...metadata,
      name,
      labels: {},
      annotations: { ...annotations, [MADE_FROM]: `${origin.kind}/${metadata.namespace}/${metadata.name}` },
      // The content may change without the origin's version, with a group of routes that it names.
      resourceVersion: '',
      uid: '',
    },
    spec,
    ...(source === undefined ? {} : { source }),
  };
}

export function originOf({ apiVersion, kind, metadata }: ConfigObject, rule: string): FieldOrigin {
  return { apiVersion, kind, namespace: metadata.namespace, name: metadata.name, rule };
}
