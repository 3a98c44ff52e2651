import { record, stringMap } from './fields.ts';
import type { Resource } from './resource.ts';
import { type Labels, selects } from './selectors.ts';

/** What runs, or will: a pod, or the template of a controller that has no pods yet. */
export interface Workload {
  readonly resource: Resource;
  readonly namespace: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** The PodSpec. */
  readonly pod: Readonly<Record<string, unknown>>;
}

/** Finds workloads by label pairs without a look at all of them. */
export interface WorkloadIndex {
  readonly all: readonly Workload[];
  inNamespace(namespace: string): readonly Workload[];
  /** Those that have all the pairs, in one namespace or in all. An empty selector takes all. */
  select(selector: Labels, namespace?: string): readonly Workload[];
}

const CONTROLLERS: ReadonlySet<string> = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job']);

export function podWorkload(resource: Resource): Workload {
  const { namespace, labels, annotations, spec } = resource;
  return { resource, namespace, labels, annotations, pod: spec };
}

/** The workload that a controller's template describes. */
export function templateWorkload(resource: Resource): Workload {
  const template = record(resource.spec['template']);
  const metadata = record(template['metadata']);
  return {
    resource,
    namespace: resource.namespace,
    labels: stringMap(metadata['labels']),
    annotations: stringMap(metadata['annotations']),
    pod: record(template['spec']),
  };
}

export function isController(resource: Resource): boolean {
  return CONTROLLERS.has(resource.kind);
}

export function createWorkloadIndex(workloads: readonly Workload[]): WorkloadIndex {
  const byNamespace = new Map<string, Workload[]>();
  const byPair = new Map<string, Workload[]>();
  for (const workload of workloads) {
    add(byNamespace, workload.namespace, workload);
    for (const [key, value] of Object.entries(workload.labels)) {
      add(byPair, `${key}=${value}`, workload);
      add(byPair, `${workload.namespace}/${key}=${value}`, workload);
    }
  }
  return {
    all: workloads,
    inNamespace: (namespace) => byNamespace.get(namespace) ?? [],
    select(selector, namespace) {
      let shortest: readonly Workload[] = (namespace === undefined ? workloads : byNamespace.get(namespace)) ?? [];
      for (const [key, value] of Object.entries(selector)) {
        const list = byPair.get(namespace === undefined ? `${key}=${value}` : `${namespace}/${key}=${value}`) ?? [];
        if (list.length < shortest.length) shortest = list;
      }
      return shortest.filter(({ labels }) => selects(selector, labels));
    },
  };
}

function add(index: Map<string, Workload[]>, key: string, workload: Workload): void {
  const list = index.get(key);
  if (list === undefined) index.set(key, [workload]);
  else list.push(workload);
}
