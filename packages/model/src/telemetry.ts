import type { ConfigObject, TelemetrySpec } from '@xebec/schemas';
import { isNarrow } from './labels.ts';
import type { MeshProxy } from './proxy.ts';
import type { MeshSnapshot } from './snapshot.ts';
import { policyApplies } from './workload-policies.ts';

/**
 * The Telemetry objects of a workload from the widest to the narrowest: the oldest of the mesh, the oldest of the namespace,
 * and every one that selects the workload, oldest first. A later one overrides an earlier.
 */
export function telemetriesOf(snapshot: MeshSnapshot, proxy: Pick<MeshProxy, 'namespace' | 'labels'>): ConfigObject<TelemetrySpec>[] {
  const broad = ({ spec }: ConfigObject<TelemetrySpec>) =>
    !isNarrow(spec.selector?.matchLabels) && spec.targetRef === undefined && (spec.targetRefs ?? []).length === 0;
  const own = snapshot.config.in('Telemetry', proxy.namespace);
  const mesh = snapshot.config.in('Telemetry', snapshot.rootNamespace).find(broad);
  const namespace = proxy.namespace === snapshot.rootNamespace ? undefined : own.find(broad);
  const workload = own.filter((config) => !broad(config) && policyApplies(config, proxy));
  return [...(mesh === undefined ? [] : [mesh]), ...(namespace === undefined ? [] : [namespace]), ...workload];
}
