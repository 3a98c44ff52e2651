import { interceptionModeOf } from './annotation-values.ts';
import { INIT_CONTAINER, type InjectionParameters, PROXY_CONTAINER, PROXY_UID } from './parameters.ts';
import type { Container, EnvVar, Pod } from './pod.ts';
import type { AppProbers } from './probes.ts';
import { podProxyConfig } from './proxy-config.ts';
import { proxyVolumeMounts } from './volumes.ts';
import type { PodWorkload } from './workload.ts';

const field = (name: string, fieldPath: string): EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });

export const DEFAULT_PROXY_IMAGE = 'xebec/proxy:latest';

/** The sidecar: agent and data plane in one container, as user 1337 so that its own traffic passes the capture rules. */
export function proxyContainer(
  pod: Pod,
  apps: readonly Container[],
  workload: PodWorkload,
  probers: AppProbers,
  parameters: InjectionParameters,
): Container {
  const annotations = pod.metadata?.annotations ?? {};
  const holdApplication = holdsApplication(pod, parameters);
  return {
    name: PROXY_CONTAINER,
    image: annotations['sidecar.istio.io/proxyImage'] ?? parameters.proxyImage ?? DEFAULT_PROXY_IMAGE,
    args: [
      'proxy',
      'sidecar',
      '--domain',
      '$(POD_NAMESPACE).svc.cluster.local',
      `--proxyLogLevel=${annotations['sidecar.istio.io/logLevel'] ?? 'warning'}`,
      `--proxyComponentLogLevel=${annotations['sidecar.istio.io/componentLogLevel'] ?? 'misc:error'}`,
      `--log_output_level=${annotations['sidecar.istio.io/agentLogLevel'] ?? 'default:info'}`,
    ],
    env: environment(pod, apps, workload, probers, parameters),
    ports: [{ name: 'http-envoy-prom', containerPort: 15090, protocol: 'TCP' }],
    ...statusProbes(annotations),
    resources: resources(annotations),
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsGroup: PROXY_UID,
      // Transparent sockets want NET_ADMIN; the rules know such a proxy by its group.
      ...(interceptionModeOf(pod) === 'TPROXY'
        ? { capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] }, runAsNonRoot: false, runAsUser: 0 }
        : { capabilities: { drop: ['ALL'] }, runAsNonRoot: true, runAsUser: PROXY_UID }),
    },
    ...(holdApplication ? { lifecycle: { postStart: { exec: { command: ['pilot-agent', 'wait'] } } } } : {}),
    volumeMounts: proxyVolumeMounts(),
  };
}

/** The container that writes the capture rules before anything of the pod runs. */
export function initContainer(pod: Pod, args: readonly string[], parameters: InjectionParameters): Container {
  return {
    name: INIT_CONTAINER,
    image: pod.metadata?.annotations?.['sidecar.istio.io/proxyImage'] ?? parameters.proxyImage ?? DEFAULT_PROXY_IMAGE,
    args: [...args, '--log_output_level=default:info'],
    resources: resources(pod.metadata?.annotations ?? {}),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: false,
      runAsGroup: 0,
      runAsNonRoot: false,
      runAsUser: 0,
    },
  };
}

/** Whether applications wait for the proxy: the mesh's default, or the pod's `proxy.istio.io/config` annotation. */
export function holdsApplication(pod: Pod, parameters: InjectionParameters): boolean {
  return String(podProxyConfig(pod, parameters).config['holdApplicationUntilProxyStarts']) === 'true';
}

function environment(
  pod: Pod,
  apps: readonly Container[],
  workload: PodWorkload,
  probers: AppProbers,
  parameters: InjectionParameters,
): EnvVar[] {
  const mesh = parameters.meshConfig ?? {};
  const trustDomain = mesh.trustDomain ?? 'cluster.local';
  const annotations = pod.metadata?.annotations ?? {};
  const env: EnvVar[] = [
    { name: 'PILOT_CERT_PROVIDER', value: 'istiod' },
    { name: 'CA_ADDR', value: parameters.caAddress ?? 'istio-citadel.istio-system.svc:8060' },
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('INSTANCE_IP', 'status.podIP'),
    field('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('HOST_IP', 'status.hostIP'),
    { name: 'PROXY_CONFIG', value: JSON.stringify(podProxyConfig(pod, parameters).config) },
    { name: 'ISTIO_META_POD_PORTS', value: JSON.stringify(apps.flatMap((app) => app.ports ?? [])) },
    { name: 'ISTIO_META_APP_CONTAINERS', value: apps.map((app) => app.name).join(',') },
    { name: 'ISTIO_META_CLUSTER_ID', value: parameters.clusterId ?? 'Kubernetes' },
    field('ISTIO_META_NODE_NAME', 'spec.nodeName'),
    { name: 'ISTIO_META_INTERCEPTION_MODE', value: interceptionModeOf(pod) },
    ...(parameters.network === undefined ? [] : [{ name: 'ISTIO_META_NETWORK', value: parameters.network }]),
    { name: 'ISTIO_META_WORKLOAD_NAME', value: workload.name },
    { name: 'ISTIO_META_OWNER', value: workload.owner },
    { name: 'ISTIO_META_MESH_ID', value: mesh.meshId ?? trustDomain },
    { name: 'TRUST_DOMAIN', value: trustDomain },
  ];
  if (Object.keys(probers).length > 0) env.push({ name: 'ISTIO_KUBE_APP_PROBERS', value: JSON.stringify(probers) });
  const scrape = prometheusScrape(annotations);
  if (scrape !== undefined && mergesMetrics(annotations, mesh.enablePrometheusMerge))
    env.push({ name: 'ISTIO_PROMETHEUS_ANNOTATIONS', value: JSON.stringify(scrape) });
  return env;
}

/** Whether the agent shows the application's metrics on its page: as the pod says, else as the mesh does, else yes. */
export function mergesMetrics(annotations: Readonly<Record<string, string>>, mesh: boolean | undefined): boolean {
  const own = annotations['prometheus.istio.io/merge-metrics']?.toLowerCase();
  return own === 'true' || own === 'false' ? own === 'true' : mesh !== false;
}

/** The application's own scrape settings: the agent merges that page with the proxy's. */
export function prometheusScrape(
  annotations: Readonly<Record<string, string>>,
): { scrape: string; path: string; port: string } | undefined {
  if (annotations['prometheus.io/scrape'] !== 'true') return undefined;
  return {
    scrape: 'true',
    path: annotations['prometheus.io/path'] ?? '/metrics',
    port: annotations['prometheus.io/port'] ?? '80',
  };
}

function statusProbes(annotations: Readonly<Record<string, string>>): Pick<Container, 'readinessProbe' | 'startupProbe'> {
  if (annotations['status.sidecar.istio.io/port'] === '0') return {};
  const number = (name: string, fallback: number) => {
    const value = Number(annotations[`readiness.status.sidecar.istio.io/${name}`] ?? fallback);
    return Number.isInteger(value) && value >= 0 ? value : fallback;
  };
  const httpGet = { path: '/healthz/ready', port: 15021 };
  return {
    startupProbe: { httpGet, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 },
    readinessProbe: {
      httpGet,
      initialDelaySeconds: number('initialDelaySeconds', 0),
      periodSeconds: number('periodSeconds', 15),
      timeoutSeconds: 3,
      failureThreshold: number('failureThreshold', 4),
    },
  };
}

function resources(annotations: Readonly<Record<string, string>>): { requests: Record<string, string>; limits: Record<string, string> } {
  return {
    requests: {
      cpu: annotations['sidecar.istio.io/proxyCPU'] ?? '100m',
      memory: annotations['sidecar.istio.io/proxyMemory'] ?? '128Mi',
    },
    limits: {
      cpu: annotations['sidecar.istio.io/proxyCPULimit'] ?? '2',
      memory: annotations['sidecar.istio.io/proxyMemoryLimit'] ?? '1Gi',
    },
  };
}
