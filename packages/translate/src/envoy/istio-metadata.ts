import type { JsonObject } from '@bufbuild/protobuf';
import type { ConfigObject } from '@xebec/schemas';

/** `/apis/<group>/<version>/namespaces/<ns>/<kind-in-kebab-case>/<name>`, as istiod marks routes and clusters. */
export function configPath(config: {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Pick<ConfigObject['metadata'], 'namespace' | 'name'>;
}): string {
  const group = config.apiVersion.split('/')[0];
  const kind = config.kind.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
  return `/apis/${group}/v1/namespaces/${config.metadata.namespace}/${kind}/${config.metadata.name}`;
}

/** `core.v3.Metadata` with the entry `istio`. */
export function istioMetadata(fields: JsonObject) {
  return { filterMetadata: { istio: fields } };
}

/**
 * Filter metadata that names the field behind a resource beside the object that `istio` names: `rule`, such as
 * `spec.http[2].match[0]`, and `config` where it stands in another object: a delegate, or the Ingress that a VirtualService was made of.
 * It travels with the route, so access logs (`%METADATA(ROUTE:xebec:rule)%`), config dumps and `explain` can tell which rule made a
 * decision.
 */
export const RULE_METADATA = 'xebec';
