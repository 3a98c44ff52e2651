import type { WorkloadDirectory, WorkloadFacts } from '@xebec/adapters';
import { isRecord } from '@xebec/config';

/** Controllers that have controllers: their objects are watched for that alone. */
export const INNER_CONTROLLERS: Readonly<Record<string, string>> = {
  ReplicaSet: '/apis/apps/v1/replicasets',
  ReplicationController: '/api/v1/replicationcontrollers',
  Job: '/apis/batch/v1/jobs',
};

interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

interface Pod extends Omit<WorkloadFacts, 'workloadName' | 'owner'> {
  readonly controller: Owner | undefined;
  /** Whether the address is its own, now. */
  readonly addressed: boolean;
}

/** A controller has a controller, has that one, and so on; nobody needs more. */
const MAX_STEPS = 5;

/** What pods say of themselves, by uid and by address. Of each pod and controller a few texts are kept. */
export class PodDirectory implements WorkloadDirectory {
  readonly #pods = new Map<string, Pod>();
  /** Uids of the pods that have an address. */
  readonly #byIp = new Map<string, Set<string>>();
  /** Controllers by `Kind/namespace/name`. */
  readonly #owners = new Map<string, Owner | undefined>();

  byUid(uid: string): WorkloadFacts | undefined {
    const pod = this.#pods.get(uid);
    return pod === undefined ? undefined : this.#facts(pod);
  }
  byIp(ip: string): WorkloadFacts | undefined {
    const uids = this.#byIp.get(ip);
    const [uid = ''] = uids ?? [];
    return uids?.size === 1 ? this.byUid(uid) : undefined;
  }
  get size(): number {
    return this.#pods.size;
  }
  /** Replaces all pods. */
  setPods(objects: readonly Record<string, unknown>[]): void {
    this.#pods.clear();
    this.#byIp.clear();
    for (const object of objects) this.upsertPod(object);
  }
  upsertPod(object: Record<string, unknown>): void {
    const pod = readPod(object);
    if (pod === undefined) return;
    this.#remove(pod.uid);
    this.#pods.set(pod.uid, pod);
    if (!pod.addressed) return;
    const uids = this.#byIp.get(pod.ip) ?? new Set();
    uids.add(pod.uid);
    this.#byIp.set(pod.ip, uids);
  }
  deletePod(object: Record<string, unknown>): void {
    const pod = readPod(object);
    if (pod !== undefined) this.#remove(pod.uid);
  }
  /** Replaces all controllers of a kind. */
  setControllers(kind: string, objects: readonly Record<string, unknown>[]): void {
    for (const key of this.#owners.keys()) if (key.startsWith(`${kind}/`)) this.#owners.delete(key);
    for (const object of objects) this.upsertController(kind, object);
  }
  upsertController(kind: string, object: Record<string, unknown>): void {
    const { name, namespace, owner } = readMeta(object);
    this.#owners.set(`${kind}/${namespace}/${name}`, owner);
  }
  deleteController(kind: string, object: Record<string, unknown>): void {
    const { name, namespace } = readMeta(object);
    this.#owners.delete(`${kind}/${namespace}/${name}`);
  }

  #remove(uid: string): void {
    const pod = this.#pods.get(uid);
    if (pod === undefined) return;
    this.#pods.delete(uid);
    const uids = this.#byIp.get(pod.ip);
    uids?.delete(uid);
    if (uids?.size === 0) this.#byIp.delete(pod.ip);
  }
  /** The outermost controller names the workload; a pod without one is its own. */
  #facts(pod: Pod): WorkloadFacts {
    const { controller, addressed: _, ...facts } = pod;
    let owner = controller;
    for (let step = 0; owner !== undefined && step < MAX_STEPS; step++) {
      const outer: Owner | undefined =
        this.#owners.get(`${owner.kind}/${pod.namespace}/${owner.name}`) ?? deploymentOf(owner, pod.labels['pod-template-hash']);
      if (outer === undefined) break;
      owner = outer;
    }
    const { apiVersion, kind, name } = owner ?? { apiVersion: 'v1', kind: 'Pod', name: pod.name };
    return {
      ...facts,
      workloadName: name,
      owner: `kubernetes://apis/${apiVersion}/namespaces/${pod.namespace}/${kind.toLowerCase()}s/${name}`,
    };
  }
}

/** Where ReplicaSets are not to be read, or not yet there: those of Deployments are named after them and the pods' hash. */
function deploymentOf({ kind, name, apiVersion }: Owner, hash: string | undefined): Owner | undefined {
  const suffix = `-${hash ?? ''}`;
  if (kind !== 'ReplicaSet' || suffix === '-' || !name.endsWith(suffix)) return undefined;
  return { kind: 'Deployment', name: name.slice(0, -suffix.length), apiVersion };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const record = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {});
const list = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter(isRecord) : []);

function readMeta(object: Record<string, unknown>) {
  const metadata = record(object['metadata']);
  const reference = list(metadata['ownerReferences']).find(({ controller }) => controller === true);
  const owner: Owner | undefined =
    reference === undefined
      ? undefined
      : { apiVersion: text(reference['apiVersion']), kind: text(reference['kind']), name: text(reference['name']) };
  return { name: text(metadata['name']), namespace: text(metadata['namespace']), labels: record(metadata['labels']), owner };
}

function readPod(object: Record<string, unknown>): Pod | undefined {
  const { name, namespace, labels, owner } = readMeta(object);
  if (name === '') return undefined;
  const spec = record(object['spec']);
  const status = record(object['status']);
  const ip = text(status['podIP']);
  const ended = status['phase'] === 'Succeeded' || status['phase'] === 'Failed';
  return {
    uid: `kubernetes://${name}.${namespace}`,
    name,
    namespace,
    ip,
    hostIp: text(status['hostIP']),
    labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, text(value)])),
    serviceAccount: text(spec['serviceAccountName']),
    containers: list(spec['containers']).map((container) => ({
      name: text(container['name']),
      ports: list(container['ports']).flatMap(({ containerPort }) => (typeof containerPort === 'number' ? [containerPort] : [])),
    })),
    controller: owner,
    // A pod on the host's network has the address of the node, and one that ended has none any more.
    addressed: ip !== '' && spec['hostNetwork'] !== true && !ended,
  };
}
