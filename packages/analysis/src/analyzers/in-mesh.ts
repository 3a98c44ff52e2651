import { records, text } from '../fields.ts';
import type { AnalysisView } from '../view.ts';
import type { Workload } from '../workload-index.ts';
import { INJECTION } from './ambient.ts';

const INJECT = 'sidecar.istio.io/inject';

/** The image of the proxy's container, native sidecars included; empty without one. */
export function proxyImage({ pod }: Workload): string {
  const all = [...records(pod['containers']), ...records(pod['initContainers'])];
  return text(all.find((container) => text(container['name']) === 'istio-proxy')?.['image']);
}

/** Whether a workload has a proxy or will get one; `unknown` is the answer where its namespace was not given. */
export function isInMesh(view: AnalysisView, workload: Workload, unknown: boolean): boolean {
  if (proxyImage(workload) !== '') return true;
  const asked = workload.labels[INJECT] ?? workload.annotations[INJECT];
  if (asked !== undefined) return asked === 'true';
  const namespace = view.find('Namespace', workload.namespace);
  if (namespace === undefined) return unknown && !view.complete;
  return namespace.labels[INJECTION] === 'enabled';
}
