import { type MeshSnapshot, peerAuthenticationOf } from '@xebec/model';
import type { ObservedTraffic } from './observed-traffic.ts';

export interface ReportPod {
  readonly namespace: string;
  readonly name: string;
  /** Its Deployment or other owner; its own name without one. */
  readonly workload: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly sidecar: boolean;
  readonly hostNetwork: boolean;
  /** What its proxy has counted; undefined where it has none or could not be asked. */
  readonly traffic?: readonly ObservedTraffic[];
}

export interface ReportInput {
  readonly snapshot: MeshSnapshot;
  readonly pods: readonly ReportPod[];
}

/**
 * Whether STRICT would keep somebody out: `strict` is so already, `breaks` has evidence of plaintext, `safe` has seen mutual TLS and
 * nothing else, `quiet` has seen no call at all, `no sidecar` cannot be made STRICT.
 */
export type Verdict = 'strict' | 'breaks' | 'safe' | 'quiet' | 'no sidecar';

export interface WorkloadReport {
  readonly namespace: string;
  readonly workload: string;
  readonly mode: string;
  readonly verdict: Verdict;
  readonly plaintext: readonly { readonly from: string; readonly protocol: string; readonly count: number }[];
  readonly mutualTls: number;
  /** What says so, one line each. */
  readonly evidence: readonly string[];
}

export interface StrictReport {
  readonly workloads: readonly WorkloadReport[];
  /** Pods that can call, and only in plaintext. */
  readonly callersWithoutSidecar: readonly string[];
  /** Rules by which sidecars call services of the mesh without its TLS. */
  readonly rules: readonly string[];
}

/** Says for each workload whether PeerAuthentication STRICT would break something, from what its proxies saw and from configuration. */
export function strictReport({ snapshot, pods }: ReportInput): StrictReport {
  const callersWithoutSidecar = pods
    .filter(({ sidecar, namespace }) => !sidecar && namespace !== snapshot.rootNamespace && namespace !== 'kube-system')
    .map(({ namespace, name, hostNetwork }) => `${namespace}/${name}${hostNetwork ? ' (in its node’s network)' : ''}`)
    .sort();
  const rules = plaintextRules(snapshot);
  const groups = Map.groupBy(
    pods.filter(({ namespace }) => namespace !== snapshot.rootNamespace && namespace !== 'kube-system'),
    ({ namespace, workload }) => `${namespace}/${workload}`,
  );
  const workloads = [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined ? [] : [workloadReport(snapshot, first, group, rules)];
  });
  return { workloads: workloads.sort(byName), callersWithoutSidecar, rules: rules.map(({ text }) => text) };
}

function workloadReport(
  snapshot: MeshSnapshot,
  first: ReportPod,
  group: readonly ReportPod[],
  rules: readonly PlaintextRule[],
): WorkloadReport {
  const { namespace, workload, labels } = first;
  const authentication = peerAuthenticationOf(snapshot, namespace, labels);
  const exceptions = [...authentication.ports].filter(([, mode]) => mode !== authentication.mode);
  const mode = `${authentication.mode}${exceptions.map(([port, other]) => `, ${port}: ${other}`).join('')}`;
  const traffic = group.flatMap((pod) => pod.traffic ?? []);
  const plaintext = traffic.filter(({ mutualTls }) => !mutualTls).map(({ from, protocol, count }) => ({ from, protocol, count }));
  const mutualTls = traffic.filter((each) => each.mutualTls).reduce((sum, { count }) => sum + count, 0);
  const mine = rules.filter(({ hosts }) => hosts.some((host) => servedBy(snapshot, host, first)));
  const evidence = [
    ...plaintext.map(
      ({ from, protocol, count }) =>
        `${count} ${protocol === 'http' ? 'request' : 'connection'}${count === 1 ? '' : 's'} in plaintext from ${from}`,
    ),
    ...mine.map(({ text }) => text),
    ...group.filter(({ sidecar }) => !sidecar).map(({ name }) => `pod ${name} has no sidecar`),
  ];
  const base = { namespace, workload, mode, plaintext, mutualTls, evidence };
  if (group.every(({ sidecar }) => !sidecar)) return { ...base, verdict: 'no sidecar' };
  const open = authentication.mode !== 'STRICT' || exceptions.length > 0;
  if (plaintext.length > 0 && open) return { ...base, verdict: 'breaks' };
  if (mine.length > 0) return { ...base, verdict: 'breaks' };
  if (!open) return { ...base, verdict: 'strict' };
  return { ...base, verdict: mutualTls > 0 ? 'safe' : 'quiet' };
}

interface PlaintextRule {
  readonly text: string;
  readonly hosts: readonly string[];
}

/** DestinationRules for services of the mesh whose callers do not show the mesh's certificate. */
function plaintextRules(snapshot: MeshSnapshot): PlaintextRule[] {
  return snapshot.config.all('DestinationRule').flatMap(({ metadata, spec }) => {
    const host = spec.host.includes('.') ? spec.host : `${spec.host}.${metadata.namespace}.svc.${snapshot.domain}`;
    const inMesh = snapshot.services.filter(({ hostname }) => matches(host, hostname) && hostname.endsWith(`.svc.${snapshot.domain}`));
    if (inMesh.length === 0) return [];
    const settings = [
      ['trafficPolicy', spec.trafficPolicy] as const,
      ...(spec.trafficPolicy?.portLevelSettings ?? []).map((port, index) => [`trafficPolicy.portLevelSettings[${index}]`, port] as const),
      ...(spec.subsets ?? []).flatMap((subset) => [[`subsets[${subset.name}].trafficPolicy`, subset.trafficPolicy] as const]),
    ];
    return settings.flatMap(([path, policy]) => {
      const mode = policy?.tls?.mode;
      // A policy with TLS settings that name no mode has DISABLE.
      const said = policy?.tls === undefined ? undefined : (mode ?? 'DISABLE');
      if (said === undefined || said === 'ISTIO_MUTUAL') return [];
      const text = `DestinationRule ${metadata.namespace}/${metadata.name}: ${path}.tls.mode ${said} for ${spec.host}`;
      return [{ text, hosts: inMesh.map(({ hostname }) => hostname) }];
    });
  });
}

function matches(pattern: string, hostname: string): boolean {
  return pattern.startsWith('*') ? hostname.endsWith(pattern.slice(1)) : pattern === hostname;
}

/** Whether a service of this host has pods of these labels behind it. */
function servedBy(snapshot: MeshSnapshot, host: string, { namespace, labels }: ReportPod): boolean {
  return snapshot.services.some((service) => {
    if (service.hostname !== host || service.namespace !== namespace) return false;
    return snapshot.allEndpoints(service).some((endpoint) => {
      const known = Object.entries(endpoint.labels).filter(([key]) => key in labels);
      return known.length > 0 && known.every(([key, value]) => labels[key] === value);
    });
  });
}

function byName(a: WorkloadReport, b: WorkloadReport): number {
  const [one, other] = [`${a.namespace}/${a.workload}`, `${b.namespace}/${b.workload}`];
  return one < other ? -1 : one > other ? 1 : 0;
}
