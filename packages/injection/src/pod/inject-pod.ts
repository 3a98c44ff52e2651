import { interceptionModeOf, iptablesArguments } from './annotation-values.ts';
import { decideInjection } from './decision.ts';
import { type JsonPatchOperation, patchFields } from './json-patch.ts';
import { INIT_CONTAINER, type InjectionParameters, PROXY_CONTAINER, STATUS_ANNOTATION } from './parameters.ts';
import type { Container, Pod, Volume } from './pod.ts';
import { rewriteProbes } from './probes.ts';
import { podProxyConfig } from './proxy-config.ts';
import { holdsApplication, initContainer, mergesMetrics, prometheusScrape, proxyContainer } from './proxy-container.ts';
import { proxyVolumes } from './volumes.ts';
import { canonicalName, canonicalRevision, workloadOf } from './workload.ts';

export interface InjectionResult {
  /** RFC 6902; empty when the pod is left alone. */
  readonly patch: readonly JsonPatchOperation[];
  /** Why nothing was injected. */
  readonly skipped?: string;
  /** For AdmissionReview.warnings. */
  readonly warnings: readonly string[];
}

/** Decides by the rules of G1 and returns the patch that gives the pod a sidecar. Injecting twice gives an empty patch. */
export function injectPod(pod: Pod, parameters: InjectionParameters): InjectionResult {
  const decision = decideInjection(pod, parameters);
  if (!decision.inject) return { patch: [], skipped: decision.reason, warnings: [] };
  return {
    patch: patchFields(pod, withSidecar(pod, parameters)),
    warnings: [decision.warning, podProxyConfig(pod, parameters).warning].filter((warning) => warning !== undefined),
  };
}

/** The pod with its sidecar, whatever the decision rules say; `kube-inject` uses it on templates. */
export function withSidecar(pod: Pod, parameters: InjectionParameters): Pod {
  const workload = workloadOf(pod, parameters.namespace);
  const labels = pod.metadata?.labels ?? {};
  const annotations = pod.metadata?.annotations ?? {};
  const revision = parameters.revision ?? 'default';
  // A pod that was injected before is taken back to what its author wrote, so that nothing doubles.
  const status = previousStatus(annotations);
  const own = (pod.spec?.containers ?? []).filter((container) => container.name !== PROXY_CONTAINER);
  const userProxy = status === undefined ? pod.spec?.containers?.find((container) => container.name === PROXY_CONTAINER) : undefined;
  const rewrite = annotations['sidecar.istio.io/rewriteAppHTTPProbers'] !== 'false';
  const alreadyRewritten = status !== undefined;
  const { containers: apps, probers } = rewrite && !alreadyRewritten ? rewriteProbes(own) : { containers: own, probers: {} };
  const previousProxy = pod.spec?.containers?.find((container) => container.name === PROXY_CONTAINER);
  const generated = proxyContainer(pod, own, workload, probers, parameters);
  const proxy = alreadyRewritten && previousProxy !== undefined ? previousProxy : withOverrides(generated, userProxy);

  const volumes = proxyVolumes();
  const intercepts = interceptionModeOf(pod) !== 'NONE';
  const init = intercepts ? [initContainer(pod, iptablesArguments(pod), parameters)] : [];
  const statusText = JSON.stringify({
    initContainers: init.map((container) => container.name),
    containers: [PROXY_CONTAINER],
    volumes: volumes.map((volume) => volume.name),
    imagePullSecrets: null,
    revision,
  });
  const first = own[0]?.name;
  const spec: Record<string, unknown> = {
    ...pod.spec,
    containers: holdsApplication(pod, parameters) ? [proxy, ...apps] : [...apps, proxy],
    volumes: mergeVolumes(pod.spec?.volumes ?? [], volumes),
  };
  const initContainers = [...(pod.spec?.initContainers ?? []).filter((container) => container.name !== INIT_CONTAINER), ...init];
  if (initContainers.length > 0) spec['initContainers'] = initContainers;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: {
        ...labels,
        'security.istio.io/tlsMode': labels['security.istio.io/tlsMode'] ?? 'istio',
        'service.istio.io/canonical-name': canonicalName(labels, workload),
        'service.istio.io/canonical-revision': canonicalRevision(labels),
        'istio.io/rev': labels['istio.io/rev'] ?? revision,
        ...(parameters.network === undefined ? {} : { 'topology.istio.io/network': parameters.network }),
      },
      annotations: {
        ...annotations,
        'istio.io/rev': revision,
        ...(first === undefined
          ? {}
          : {
              'kubectl.kubernetes.io/default-container': annotations['kubectl.kubernetes.io/default-container'] ?? first,
              'kubectl.kubernetes.io/default-logs-container': annotations['kubectl.kubernetes.io/default-logs-container'] ?? first,
            }),
        ...scrapeAnnotations(annotations, parameters),
        [STATUS_ANNOTATION]: status ?? statusText,
      },
    },
    spec,
  };
}

function previousStatus(annotations: Readonly<Record<string, string>>): string | undefined {
  return annotations[STATUS_ANNOTATION];
}

/** Prometheus scrapes the agent, which merges the application's page in; a pod that opted out of scraping stays out. */
function scrapeAnnotations(annotations: Readonly<Record<string, string>>, parameters: InjectionParameters): Record<string, string> {
  if (!mergesMetrics(annotations, parameters.meshConfig?.enablePrometheusMerge)) return {};
  if (annotations['prometheus.io/scrape'] !== undefined && prometheusScrape(annotations) === undefined) return {};
  return { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '15020', 'prometheus.io/path': '/stats/prometheus' };
}

/** A user's own `istio-proxy` container overrides what is generated: scalars win, named lists merge by name; image `auto` means ours. */
function withOverrides(generated: Container, user: Container | undefined): Container {
  if (user === undefined) return generated;
  const { image, env, volumeMounts, ports, ...rest } = user;
  return {
    ...generated,
    ...rest,
    ...(image === undefined || image === 'auto' ? {} : { image }),
    env: mergeNamed(generated.env ?? [], env ?? []),
    volumeMounts: [...(generated.volumeMounts ?? []), ...(volumeMounts ?? [])],
    ports: [...(generated.ports ?? []), ...(ports ?? [])],
  };
}

function mergeNamed<T extends { readonly name: string }>(base: readonly T[], over: readonly T[]): T[] {
  const names = new Set(over.map((item) => item.name));
  return [...base.filter((item) => !names.has(item.name)), ...over];
}

function mergeVolumes(own: readonly Volume[], added: readonly Volume[]): Volume[] {
  const names = new Set(added.map((volume) => volume.name));
  return [...added, ...own.filter((volume) => !names.has(volume.name))];
}
