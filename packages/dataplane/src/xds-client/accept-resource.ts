import { fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { errorText } from '@xebec/core';
import { type Cluster, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { resolveMessage } from '../config/any-contents.ts';
import { findViolation } from '../config/constraints.ts';
import { protoRegistry } from '../config/proto-registry.ts';
import { checkCluster } from '../config/semantics/cluster.ts';
import { checkListener } from '../config/semantics/listener.ts';
import { checkRoutes } from '../config/semantics/routes.ts';

/** A resource that may be applied, one that is refused while its neighbours go on, or one that spoils its whole response. */
export type Accepted =
  | { readonly kind: 'fine'; readonly resource: Any }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'fatal'; readonly reason: string };

export interface ResourceChecks {
  /** Whether a cluster is there now: static routes of a listener must not name others. */
  readonly clusterExists: (name: string) => boolean;
}

/**
 * Reads one resource of a response as Envoy does: what breaks the type or its own `validate.rules` fails the whole response, what
 * is wrong further in (in an Any, or in meaning) fails the resource alone.
 */
export function acceptResource(typeUrl: string, any: Any, checks: ResourceChecks): Accepted {
  if (any.typeUrl !== typeUrl) {
    return {
      kind: 'fatal',
      reason: `${any.typeUrl} does not match the message-wide type URL ${typeUrl} in DiscoveryResponse`,
    };
  }
  const schema = protoRegistry().getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
  if (schema === undefined) return { kind: 'fatal', reason: `${typeUrl} is not known` };
  let message: Message;
  try {
    message = fromBinary(schema, any.value);
  } catch (error) {
    return { kind: 'fatal', reason: `Unable to unpack as ${schema.typeName}: ${errorText(error)}` };
  }
  const violation = findViolation(schema, message);
  if (violation !== undefined) return { kind: 'fatal', reason: `Proto constraint validation failed (${violation.chain})` };
  try {
    resolveMessage(schema, message);
    // The type's name says what the message is.
    if (schema.typeName === ClusterSchema.typeName) checkCluster(message as Cluster);
    else if (schema.typeName === ListenerSchema.typeName) checkListener(message as Listener, checks.clusterExists);
    else if (schema.typeName === RouteConfigurationSchema.typeName) {
      const routes = message as RouteConfiguration;
      checkRoutes(routes, { clusterExists: routes.validateClusters === true ? checks.clusterExists : undefined });
    }
  } catch (error) {
    return { kind: 'refused', reason: errorText(error) };
  }
  return { kind: 'fine', resource: { ...any, value: toBinary(schema, message) } };
}
