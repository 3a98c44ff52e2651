import { type AdapterSignature, checkPolicyObject, isPolicyObject, policyContext } from '@xebec/policy';
import { checkObject, decodeObject, type Findings, isMeshGroup } from '@xebec/schemas';
import { defaultIngressGateway } from './default-gateway.ts';
import { type Fields, isRecord, record, text } from './fields.ts';
import { createHostIndex, type HostIndex } from './host-index.ts';
import type { Subject } from './message.ts';
import type { RawObject } from './object.ts';
import { type AnalysedKind, analysedKindOf, type Resource, subjectOf, toResource } from './resource.ts';
import { createWorkloadIndex, isController, podWorkload, templateWorkload, type Workload, type WorkloadIndex } from './workload-index.ts';

export interface ViewOptions {
  readonly domain: string;
  readonly rootNamespace: string;
  /**
   * Whether the objects are all there is, as those of a live mesh. Files are but a part: of kinds that none of them brings,
   * nothing is said to be missing, templates of controllers stand for their pods, and the default ingress gateway is there.
   */
  readonly complete: boolean;
  readonly meshConfig: Fields;
  readonly meshNetworks: Fields;
  /** Milliseconds since 1970; undefined: no look at validity periods. */
  readonly now: number | undefined;
  /** KiB that one object may add to the configuration of each proxy. */
  readonly maxProxyGrowthKib: number;
  /** Of Mixer, by name; undefined: Mixer's objects are not compiled. */
  readonly adapters: ReadonlyMap<string, AdapterSignature> | undefined;
}

/** What admission says of an object of the mesh. */
export interface ObjectFindings extends Findings {
  readonly subject: Subject;
}

/** What analyzers read: objects by kind, with the indexes they ask for. */
export interface AnalysisView extends ViewOptions {
  all(kind: AnalysedKind): readonly Resource[];
  find(kind: AnalysedKind, fullName: string): Resource | undefined;
  /** Whether it may be said that an object of the kind does not exist. */
  knows(kind: 'Pod' | 'Namespace' | 'Secret' | 'Service' | 'MutatingWebhookConfiguration'): boolean;
  servicesIn(namespace: string): readonly Resource[];
  readonly workloads: WorkloadIndex;
  readonly hosts: HostIndex;
  /** Of every object of the mesh's groups, readable or not. */
  readonly findings: readonly ObjectFindings[];
  /** Of Mixer's objects that decode: what compiling them together finds. */
  readonly mixerFindings: readonly ObjectFindings[];
}

/** Namespaces of Kubernetes itself, which no mesh concerns. */
const IGNORED_NAMESPACES: ReadonlySet<string> = new Set(['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage']);

function compileMixer(objects: readonly RawObject[], adapters: ReadonlyMap<string, AdapterSignature>): ObjectFindings[] {
  const decoded = objects.filter(isPolicyObject).flatMap((object) => {
    const result = decodeObject(object.content, { defaultNamespace: object.metadata.namespace });
    return result.ok ? [{ object, config: result.value }] : [];
  });
  const context = policyContext(
    decoded.map(({ config }) => config),
    adapters,
  );
  return decoded.map(({ object, config }) => ({ subject: subjectOf(object), ...checkPolicyObject(config, context) }));
}

/** Indexes all objects; what does not decode is read as it stands. */
export function createView(objects: readonly RawObject[], options: ViewOptions): AnalysisView {
  const findings: ObjectFindings[] = [];
  const byKind = new Map<AnalysedKind, Resource[]>();
  const byName = new Map<string, Resource>();
  const add = (object: RawObject): void => {
    if (IGNORED_NAMESPACES.has(object.metadata.namespace)) return;
    if (object.kind === 'Namespace' && IGNORED_NAMESPACES.has(object.metadata.name)) return;
    const spec = isMeshGroup(object.apiVersion) ? decodedSpec(object, findings) : undefined;
    const kind = analysedKindOf(object);
    if (kind === undefined) return;
    const resource = toResource(kind, object, spec);
    const list = byKind.get(kind);
    if (list === undefined) byKind.set(kind, [resource]);
    else list.push(resource);
    byName.set(`${kind}:${resource.fullName}`, resource);
  };
  objects.forEach(add);
  const all = (kind: AnalysedKind): readonly Resource[] => byKind.get(kind) ?? [];
  const hadPods = all('Pod').length > 0 || [...byKind.values()].some((list) => list.some(isController));
  const hadServices = all('Service').length + all('ServiceEntry').length > 0;
  let workloads = createWorkloadIndex(workloadsOf(byKind, options.complete));
  if (!options.complete && workloads.select({ istio: 'ingressgateway' }).length === 0) {
    defaultIngressGateway(options.rootNamespace).forEach(add);
    workloads = createWorkloadIndex(workloadsOf(byKind, false));
  }
  const servicesByNamespace = Map.groupBy(all('Service'), ({ namespace }) => namespace);
  const known = {
    Pod: hadPods,
    Service: hadServices,
    Namespace: all('Namespace').length > 0,
    Secret: all('Secret').length > 0,
    MutatingWebhookConfiguration: all('MutatingWebhookConfiguration').length > 0,
  };
  return {
    ...options,
    findings,
    mixerFindings: options.adapters === undefined ? [] : compileMixer(objects, options.adapters),
    all,
    find: (kind, fullName) => byName.get(`${kind}:${fullName}`),
    knows: (kind) => options.complete || known[kind],
    servicesIn: (namespace) => servicesByNamespace.get(namespace) ?? [],
    workloads,
    hosts: createHostIndex(all('Service'), all('ServiceEntry'), options.domain),
  };
}

function decodedSpec(object: RawObject, findings: ObjectFindings[]): Fields | undefined {
  const result = decodeObject(object.content, { defaultNamespace: object.metadata.namespace });
  const subject = subjectOf(object);
  findings.push({ subject, ...(result.ok ? checkObject(result.value) : { errors: result.error, warnings: [] }) });
  // What is readable is analysed, admitted or not: it may stand in the mesh from before a rule was made.
  return result.ok ? record(result.value.spec) : undefined;
}

function workloadsOf(byKind: ReadonlyMap<AnalysedKind, readonly Resource[]>, complete: boolean): Workload[] {
  const pods = (byKind.get('Pod') ?? []).map(podWorkload);
  if (complete) return pods;
  const running = createWorkloadIndex(pods);
  const templates = [...byKind.values()]
    .flat()
    .filter(isController)
    .map(templateWorkload)
    .filter(({ labels, namespace }) => Object.keys(labels).length === 0 || running.select(labels, namespace).length === 0);
  return [...pods, ...templates];
}

/** The MeshConfig that ConfigMap `istio` of the root namespace holds, as text. */
export function meshConfigText(objects: readonly RawObject[], rootNamespace: string): string | undefined {
  const map = objects.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'istio' && metadata.namespace === rootNamespace,
  );
  const data = map?.content['data'];
  return isRecord(data) ? text(data['mesh']) : undefined;
}
