import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node';
import type { CapturePlan } from '@xebec/injection';
import type { ProcessId } from './processes.ts';

/** How a pod is connected; kept in the pod's state file, so that a new agent finds it again. */
export interface PodNetwork {
  readonly podIp: string;
  /** Where the application binds: differs from `podIp` only in loopback mode with a sidecar. */
  readonly appIp: string;
  /** Holds the pod's namespaces; absent in loopback mode. */
  readonly sandbox?: ProcessId;
}

export interface ServiceView {
  readonly services: readonly V1Service[];
  readonly slices: readonly V1EndpointSlice[];
}

/** One way to give pods addresses and to bring traffic to services. */
export interface NetworkProvider {
  readonly mode: 'netns' | 'loopback';
  /** What pods see as their host. */
  readonly hostIp: string;
  setUp(): Promise<void>;
  /** `iptables`: the capture plan of the pod's init container, empty without sidecar. */
  attach(
    podKey: string,
    options: { readonly sidecar: boolean; readonly index: number; readonly directory: string; readonly namespace: string },
  ): Promise<PodNetwork>;
  applyCapture(network: PodNetwork, plan: CapturePlan): Promise<void>;
  /** Whether the pod's sandbox is still there. */
  isAttached(network: PodNetwork): boolean;
  detach(network: PodNetwork): Promise<void>;
  /** Argument prefix that runs a command inside the pod. */
  enter(network: PodNetwork): readonly string[];
  /** Programs service addresses for the pods given. */
  updateServices(view: ServiceView, pods: readonly PodNetwork[]): Promise<void>;
  /** Removes everything the machine would keep. */
  tearDown(): Promise<void>;
}

/** Address number `index` (from 2) of a /16 such as `10.244`. */
export function addressAt(prefix: string, index: number): string {
  return `${prefix}.${index >> 8}.${index & 255}`;
}

export interface ServiceBackend {
  readonly address: string;
  readonly port: number;
}

/** One port of a service with its ready backends. */
export interface ServicePortView {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIp: string;
  readonly portName: string;
  readonly port: number;
  readonly protocol: string;
  readonly backends: readonly ServiceBackend[];
}

/** Joins services and EndpointSlices by name; every service port appears, with or without backends. */
export function servicePorts(view: ServiceView): ServicePortView[] {
  const slices = new Map<string, V1EndpointSlice[]>();
  for (const slice of view.slices) {
    const key = `${slice.metadata?.namespace}/${slice.metadata?.labels?.['kubernetes.io/service-name']}`;
    slices.set(key, [...(slices.get(key) ?? []), slice]);
  }
  return view.services.flatMap((service) => {
    const namespace = service.metadata?.namespace ?? '';
    const name = service.metadata?.name ?? '';
    const own = slices.get(`${namespace}/${name}`) ?? [];
    return (service.spec?.ports ?? []).map((port) => ({
      namespace,
      name,
      clusterIp: service.spec?.clusterIP ?? '',
      portName: port.name ?? '',
      port: port.port,
      protocol: port.protocol ?? 'TCP',
      backends: backendsOf(own, port.name ?? ''),
    }));
  });
}

function backendsOf(slices: readonly V1EndpointSlice[], portName: string): ServiceBackend[] {
  const out: ServiceBackend[] = [];
  for (const slice of slices) {
    const port = slice.ports?.find((candidate) => (candidate.name ?? '') === portName)?.port;
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      if (endpoint.conditions?.ready === false) continue;
      for (const address of endpoint.addresses) out.push({ address, port });
    }
  }
  return out.sort((a, b) => a.address.localeCompare(b.address) || a.port - b.port);
}

/** The kube-proxy role inside one pod: cluster addresses become pod addresses, as `iptables-restore --noflush` input. */
export function serviceRules(ports: readonly ServicePortView[]): string {
  const rules: string[] = [];
  for (const { clusterIp, port, protocol, backends } of ports) {
    if (!/^\d+\.\d+\.\d+\.\d+$/.test(clusterIp)) continue;
    const match = `-A XEBEC_SERVICES -d ${clusterIp}/32 -p ${protocol.toLowerCase()} --dport ${port}`;
    backends.forEach((backend, index) => {
      const left = backends.length - index;
      const share = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(10)}`;
      rules.push(`${match}${share} -j DNAT --to-destination ${backend.address}:${backend.port}`);
    });
  }
  return ['*nat', ':XEBEC_SERVICES - [0:0]', ...rules, 'COMMIT', ''].join('\n');
}

/** What a service without backends answers: refused at once rather than a connection that hangs. */
export function rejectRules(ports: readonly ServicePortView[]): string {
  const rules = ports
    .filter(({ backends, clusterIp }) => backends.length === 0 && /^\d+\.\d+\.\d+\.\d+$/.test(clusterIp))
    .map(({ clusterIp, port, protocol }) => `-A XEBEC_REJECT -d ${clusterIp}/32 -p ${protocol.toLowerCase()} --dport ${port} -j REJECT`);
  return ['*filter', ':XEBEC_REJECT - [0:0]', ...rules, 'COMMIT', ''].join('\n');
}
