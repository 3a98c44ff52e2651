import type { JsonObject } from '@bufbuild/protobuf';
import type { Metadata } from '@xebec/protos/envoy/config/core/v3/base';

/** `reviews.default` from `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews`, or empty. */
export function configOf(metadata: Metadata | undefined): string {
  const istio: JsonObject | undefined = metadata?.filterMetadata['istio'];
  const path = istio?.['config'];
  const match = typeof path === 'string' ? /\/namespaces\/([^/]+)\/[^/]+\/([^/]+)$/.exec(path) : null;
  return match === null ? '' : `${match[2]}.${match[1]}`;
}
