import { at, isObject, type JsonObject, type KubeObject, numberAt, objectAt, objectsAt, textAt } from './object.ts';

function setDefault(target: JsonObject, key: string, value: JsonObject[string]): void {
  if (target[key] === undefined || target[key] === null) target[key] = value;
}

function ensureObject(target: JsonObject, key: string): JsonObject {
  const existing = target[key];
  if (isObject(existing)) return existing;
  const made: JsonObject = {};
  target[key] = made;
  return made;
}

const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;

function defaultHttpGet(action: JsonObject | undefined): void {
  if (action === undefined) return;
  setDefault(action, 'path', '/');
  setDefault(action, 'scheme', 'HTTP');
}

function defaultContainer(container: JsonObject): void {
  const image = textAt(container, 'image');
  const tag = image.includes('@') ? 'digest' : (/:([^/:]+)$/.exec(image)?.[1] ?? 'latest');
  setDefault(container, 'imagePullPolicy', tag === 'latest' ? 'Always' : 'IfNotPresent');
  setDefault(container, 'resources', {});
  setDefault(container, 'terminationMessagePath', '/dev/termination-log');
  setDefault(container, 'terminationMessagePolicy', 'File');
  for (const port of objectsAt(container, 'ports')) setDefault(port, 'protocol', 'TCP');
  for (const variable of objectsAt(container, 'env')) {
    const reference = objectAt(variable, 'valueFrom', 'fieldRef');
    if (reference !== undefined) setDefault(reference, 'apiVersion', 'v1');
  }
  for (const name of PROBES) {
    const probe = objectAt(container, name);
    if (probe === undefined) continue;
    setDefault(probe, 'timeoutSeconds', 1);
    setDefault(probe, 'periodSeconds', 10);
    setDefault(probe, 'successThreshold', 1);
    setDefault(probe, 'failureThreshold', 3);
    defaultHttpGet(objectAt(probe, 'httpGet'));
  }
  for (const hook of ['postStart', 'preStop']) defaultHttpGet(objectAt(container, 'lifecycle', hook, 'httpGet'));
}

function defaultVolume(volume: JsonObject): void {
  for (const kind of ['configMap', 'secret', 'projected', 'downwardAPI']) {
    const source = objectAt(volume, kind);
    if (source !== undefined) setDefault(source, 'defaultMode', 420);
  }
  const downward = [...objectsAt(volume, 'downwardAPI', 'items')];
  for (const source of objectsAt(volume, 'projected', 'sources')) {
    const token = objectAt(source, 'serviceAccountToken');
    if (token !== undefined) setDefault(token, 'expirationSeconds', 3600);
    downward.push(...objectsAt(source, 'downwardAPI', 'items'));
  }
  for (const item of downward) {
    const reference = objectAt(item, 'fieldRef');
    if (reference !== undefined) setDefault(reference, 'apiVersion', 'v1');
  }
  const host = objectAt(volume, 'hostPath');
  if (host !== undefined) setDefault(host, 'type', '');
  if (Object.keys(volume).length === 1) volume['emptyDir'] = {};
}

/** Defaults of a pod spec, in a pod or in a template. */
export function defaultPodSpec(spec: JsonObject, restartPolicy = 'Always'): void {
  setDefault(spec, 'restartPolicy', restartPolicy);
  setDefault(spec, 'dnsPolicy', 'ClusterFirst');
  setDefault(spec, 'schedulerName', 'default-scheduler');
  setDefault(spec, 'securityContext', {});
  setDefault(spec, 'terminationGracePeriodSeconds', 30);
  const account = textAt(spec, 'serviceAccountName') || textAt(spec, 'serviceAccount');
  if (account !== '') {
    spec['serviceAccountName'] = account;
    spec['serviceAccount'] = account;
  }
  for (const list of ['containers', 'initContainers']) objectsAt(spec, list).forEach(defaultContainer);
  objectsAt(spec, 'volumes').forEach(defaultVolume);
}

function defaultTemplate(spec: JsonObject, restartPolicy?: string): void {
  const template = ensureObject(spec, 'template');
  ensureObject(template, 'metadata');
  defaultPodSpec(ensureObject(template, 'spec'), restartPolicy);
}

function pod(object: KubeObject, spec: JsonObject): void {
  defaultPodSpec(spec);
  setDefault(spec, 'enableServiceLinks', true);
  setDefault(spec, 'priority', 0);
  setDefault(spec, 'preemptionPolicy', 'PreemptLowerPriority');
  if (spec['tolerations'] === undefined) {
    spec['tolerations'] = ['not-ready', 'unreachable'].map((taint) => ({
      effect: 'NoExecute',
      key: `node.kubernetes.io/${taint}`,
      operator: 'Exists',
      tolerationSeconds: 300,
    }));
  }
  if (object['status'] === undefined) object['status'] = {};
  const status = objectAt(object, 'status');
  if (status !== undefined) {
    setDefault(status, 'phase', 'Pending');
    setDefault(status, 'qosClass', qosClass(spec));
  }
}

/** BestEffort without requests and limits, Guaranteed when all containers have equal ones for cpu and memory, else Burstable. */
function qosClass(spec: JsonObject): string {
  const containers = [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')];
  const resources = containers.map((container) => objectAt(container, 'resources') ?? {});
  if (resources.every((item) => at(item, 'requests') === undefined && at(item, 'limits') === undefined)) return 'BestEffort';
  const guaranteed = resources.every((item) =>
    ['cpu', 'memory'].every((name) => {
      const limit = at(item, 'limits', name);
      return limit !== undefined && (at(item, 'requests', name) ?? limit) === limit;
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function service(_object: KubeObject, spec: JsonObject): void {
  setDefault(spec, 'type', 'ClusterIP');
  setDefault(spec, 'sessionAffinity', 'None');
  if (spec['sessionAffinity'] === 'ClientIP') setDefault(spec, 'sessionAffinityConfig', { clientIP: { timeoutSeconds: 10_800 } });
  for (const port of objectsAt(spec, 'ports')) {
    setDefault(port, 'protocol', 'TCP');
    const number = numberAt(port, 'port');
    if (number !== undefined && (port['targetPort'] === undefined || port['targetPort'] === 0)) port['targetPort'] = number;
  }
  if (spec['type'] === 'ExternalName') return;
  setDefault(spec, 'internalTrafficPolicy', 'Cluster');
  if (spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer') setDefault(spec, 'externalTrafficPolicy', 'Cluster');
  if (spec['type'] === 'LoadBalancer') setDefault(spec, 'allocateLoadBalancerNodePorts', true);
}

function deployment(_object: KubeObject, spec: JsonObject): void {
  setDefault(spec, 'replicas', 1);
  setDefault(spec, 'revisionHistoryLimit', 10);
  setDefault(spec, 'progressDeadlineSeconds', 600);
  const strategy = ensureObject(spec, 'strategy');
  setDefault(strategy, 'type', 'RollingUpdate');
  if (strategy['type'] === 'RollingUpdate') {
    const rolling = ensureObject(strategy, 'rollingUpdate');
    setDefault(rolling, 'maxUnavailable', '25%');
    setDefault(rolling, 'maxSurge', '25%');
  }
  defaultTemplate(spec);
}

function job(object: KubeObject, spec: JsonObject): void {
  setDefault(spec, 'parallelism', 1);
  if (spec['parallelism'] === 1) setDefault(spec, 'completions', 1);
  setDefault(spec, 'backoffLimit', 6);
  setDefault(spec, 'completionMode', 'NonIndexed');
  setDefault(spec, 'suspend', false);
  setDefault(spec, 'manualSelector', false);
  setDefault(spec, 'podReplacementPolicy', 'TerminatingOrFailed');
  defaultTemplate(spec, 'OnFailure');
  const uid = object.metadata.uid;
  if (spec['selector'] === undefined && uid !== undefined) {
    const labels = { 'batch.kubernetes.io/controller-uid': uid, 'batch.kubernetes.io/job-name': object.metadata.name };
    spec['selector'] = { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } };
    const metadata = ensureObject(ensureObject(spec, 'template'), 'metadata');
    metadata['labels'] = { ...objectAt(metadata, 'labels'), ...labels, 'controller-uid': uid, 'job-name': object.metadata.name };
  }
}

const SPEC_DEFAULTS: Readonly<Record<string, (object: KubeObject, spec: JsonObject) => void>> = {
  pods: pod,
  services: service,
  'deployments.apps': deployment,
  'replicasets.apps': (_object, spec) => {
    setDefault(spec, 'replicas', 1);
    defaultTemplate(spec);
  },
  'statefulsets.apps': (_object, spec) => {
    setDefault(spec, 'replicas', 1);
    setDefault(spec, 'podManagementPolicy', 'OrderedReady');
    setDefault(spec, 'revisionHistoryLimit', 10);
    setDefault(spec, 'serviceName', '');
    setDefault(spec, 'updateStrategy', { type: 'RollingUpdate', rollingUpdate: { partition: 0 } });
    defaultTemplate(spec);
  },
  'daemonsets.apps': (_object, spec) => {
    setDefault(spec, 'revisionHistoryLimit', 10);
    setDefault(spec, 'updateStrategy', { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } });
    defaultTemplate(spec);
  },
  'jobs.batch': job,
  namespaces: (object, spec) => {
    setDefault(spec, 'finalizers', ['kubernetes']);
    if (object['status'] === undefined) object['status'] = { phase: 'Active' };
    object.metadata.labels = { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name };
  },
  'ingresses.networking.k8s.io': (object) => {
    if (object['status'] === undefined) object['status'] = { loadBalancer: {} };
  },
  'customresourcedefinitions.apiextensions.k8s.io': (_object, spec) => {
    const names = objectAt(spec, 'names');
    if (names !== undefined) {
      const kind = textAt(names, 'kind');
      setDefault(names, 'singular', kind.toLowerCase());
      setDefault(names, 'listKind', `${kind}List`);
    }
    setDefault(spec, 'conversion', { strategy: 'None' });
  },
};

const WEBHOOK_KINDS = new Set([
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
]);

/** Fills in what Kubernetes fills in for a built-in kind; changes the object given. */
export function applyDefaults(resourceId: string, object: KubeObject): void {
  const withDefaults = SPEC_DEFAULTS[resourceId];
  if (withDefaults !== undefined) {
    if (!isObject(object['spec'])) object['spec'] = {};
    const spec = objectAt(object, 'spec');
    if (spec !== undefined) withDefaults(object, spec);
  }
  if (resourceId === 'secrets') {
    if (object['type'] === undefined) object['type'] = 'Opaque';
    const plain = objectAt(object, 'stringData');
    if (plain !== undefined) {
      const encoded = Object.entries(plain).map(([key, value]) => [key, Buffer.from(String(value), 'utf8').toString('base64')]);
      object['data'] = { ...objectAt(object, 'data'), ...Object.fromEntries(encoded) };
      delete object['stringData'];
    }
  }
  if (WEBHOOK_KINDS.has(resourceId)) objectsAt(object, 'webhooks').forEach(defaultWebhook(resourceId.startsWith('mutating')));
}

function defaultWebhook(mutating: boolean): (webhook: JsonObject) => void {
  return (webhook) => {
    setDefault(webhook, 'failurePolicy', 'Fail');
    setDefault(webhook, 'matchPolicy', 'Equivalent');
    setDefault(webhook, 'namespaceSelector', {});
    setDefault(webhook, 'objectSelector', {});
    setDefault(webhook, 'timeoutSeconds', 10);
    if (mutating) setDefault(webhook, 'reinvocationPolicy', 'Never');
    for (const rule of objectsAt(webhook, 'rules')) setDefault(rule, 'scope', '*');
    const target = objectAt(webhook, 'clientConfig', 'service');
    if (target !== undefined) setDefault(target, 'port', 443);
  };
}
