import type { MeshProxy } from '@xebec/model';
import type { CustomTagSchema } from '@xebec/protos/envoy/type/tracing/v3/custom_tag';
import type { MeshProxyConfig, TelemetryTracing } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';

export type CustomTag = Fields<typeof CustomTagSchema>;
type TagSource = NonNullable<TelemetryTracing['customTags']>[string];

/** What AuthorizationPolicies on trial would have decided. */
export const DRY_RUN_TAGS: readonly CustomTag[] = ['allow', 'deny'].flatMap((action) => [
  dryRunTag(`istio.authorization.dry_run.${action}_policy.name`, `istio_dry_run_${action}_shadow_effective_policy_id`),
  dryRunTag(`istio.authorization.dry_run.${action}_policy.result`, `istio_dry_run_${action}_shadow_engine_result`),
]);

function dryRunTag(tag: string, key: string): CustomTag {
  return {
    tag,
    type: {
      case: 'metadata',
      value: {
        kind: { kind: { case: 'request', value: {} } },
        metadataKey: { key: 'envoy.filters.http.rbac', path: [{ segment: { case: 'key', value: key } }] },
      },
    },
  };
}

function literal(tag: string, value: string): CustomTag {
  return { tag, type: { case: 'literal', value: { value } } };
}

/** Canonical service, revision, mesh, cluster and namespace of the reporting workload. */
export function serviceTags(proxy: MeshProxy): CustomTag[] {
  const { labels } = proxy;
  const said = (value: string | undefined, fallback: string) => (value === undefined || value === '' ? fallback : value);
  return [
    literal('istio.canonical_revision', said(labels['service.istio.io/canonical-revision'], 'latest')),
    literal('istio.canonical_service', said(labels['service.istio.io/canonical-name'], 'unknown')),
    literal('istio.cluster_id', proxy.clusterId),
    literal('istio.mesh_id', proxy.meshId),
    literal('istio.namespace', proxy.namespace),
  ];
}

/** Tags of ProxyConfig. */
export function configTags(tags: NonNullable<NonNullable<MeshProxyConfig['tracing']>['customTags']>): CustomTag[] {
  return Object.entries(tags).flatMap(([tag, source]) => tagOf(tag, source));
}

/** Tags of Telemetry, which knows one kind more; before release 1.29 a proxy does not. */
export function telemetryTags(proxy: MeshProxy, tags: Readonly<Record<string, TagSource>>): CustomTag[] {
  return Object.entries(tags).flatMap(([tag, source]): CustomTag[] => {
    if (source.formatter === undefined) return tagOf(tag, source);
    return isBefore129(proxy) ? [] : [{ tag, type: { case: 'value', value: source.formatter.value } }];
  });
}

function isBefore129(proxy: MeshProxy): boolean {
  const version = proxy.metadata['ISTIO_VERSION'];
  const parts = typeof version === 'string' ? /^(\d+)\.(\d+)/.exec(version) : null;
  return parts !== null && (Number(parts[1]) < 1 || (Number(parts[1]) === 1 && Number(parts[2]) < 29));
}

function tagOf(tag: string, source: Omit<TagSource, 'formatter'>): CustomTag[] {
  if (source.literal !== undefined) return [literal(tag, source.literal.value)];
  if (source.environment !== undefined) {
    const { name, defaultValue } = source.environment;
    return [{ tag, type: { case: 'environment', value: { name, defaultValue: defaultValue ?? '' } } }];
  }
  if (source.header === undefined) return [];
  const { name, defaultValue } = source.header;
  return [{ tag, type: { case: 'requestHeader', value: { name, defaultValue: defaultValue ?? '' } } }];
}
