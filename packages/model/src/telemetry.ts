import type { ConfigObject, TelemetrySpec } from '@xebec/schemas';
import { isNarrow, selects } from './labels.ts';
import type { MeshProxy } from './proxy.ts';
import type { MeshSnapshot } from './snapshot.ts';

/** The Telemetry objects of a workload from the widest to the narrowest: mesh, namespace, workload; the oldest of each. */
export function telemetriesOf(snapshot: MeshSnapshot, proxy: Pick<MeshProxy, 'namespace' | 'labels'>): ConfigObject<TelemetrySpec>[] {
  const broad = (config: ConfigObject<TelemetrySpec>) => !isNarrow(config.spec.selector?.matchLabels);
  const own = snapshot.config.in('Telemetry', proxy.namespace);
  const mesh = snapshot.config.in('Telemetry', snapshot.rootNamespace).find(broad);
  const namespace = proxy.namespace === snapshot.rootNamespace ? undefined : own.find(broad);
  const workload = own.find((config) => !broad(config) && selects(config.spec.selector?.matchLabels, proxy.labels));
  return [mesh, namespace, workload].filter((level) => level !== undefined);
}
