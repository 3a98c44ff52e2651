import { at, isObject, type Json, type JsonObject, type KubeObject, numberAt, objectAt, objectsAt, textAt, textsAt } from './object.ts';
import type { PrinterColumn, Resource } from './resource.ts';
import { labelSelectorText } from './selectors.ts';

interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer';
  /** Above 0: shown by `-o wide` only. */
  readonly wide?: boolean;
  readonly cell: (object: KubeObject, nowMs: number) => Json;
}

/** Kubernetes' short durations: `5s`, `3m12s`, `5h`, `2d3h`. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  if (years < 8) return days % 365 === 0 ? `${years}y` : `${years}y${days % 365}d`;
  return `${years}y`;
}

function age(since: unknown, nowMs: number): string {
  const time = typeof since === 'string' ? Date.parse(since) : Number.NaN;
  return Number.isNaN(time) ? '<unknown>' : humanDuration(nowMs - time);
}

const AGE: Column = { name: 'Age', type: 'string', cell: (object, nowMs) => age(object.metadata.creationTimestamp, nowMs) };
const NAME: Column = { name: 'Name', type: 'string', cell: (object) => object.metadata.name };

function text(name: string, cell: (object: KubeObject, nowMs: number) => string, wide = false): Column {
  return { name, type: 'string', cell, wide };
}
function count(name: string, ...path: string[]): Column {
  return { name, type: 'integer', cell: (object) => numberAt(object, ...path) ?? 0 };
}
const orNone = (value: string) => (value === '' ? '<none>' : value);
const containersOf = (path: string[]) => [
  text(
    'Containers',
    (object) =>
      objectsAt(object, ...path, 'containers')
        .map((item) => textAt(item, 'name'))
        .join(','),
    true,
  ),
  text(
    'Images',
    (object) =>
      objectsAt(object, ...path, 'containers')
        .map((item) => textAt(item, 'image'))
        .join(','),
    true,
  ),
];
const SELECTOR = text('Selector', (object) => orNone(labelSelectorText(at(object, 'spec', 'selector'))), true);

/** What `kubectl get pods` calls STATUS: the reason that says most. */
export function podStatus(pod: KubeObject): { reason: string; ready: number; total: number; restarts: number; lastRestart: string } {
  let reason = textAt(pod, 'status', 'reason') || textAt(pod, 'status', 'phase');
  const statuses = objectsAt(pod, 'status', 'containerStatuses');
  const inits = objectsAt(pod, 'status', 'initContainerStatuses');
  const initSpecs = objectsAt(pod, 'spec', 'initContainers');
  const isSidecar = (name: string) => initSpecs.some((item) => item['name'] === name && item['restartPolicy'] === 'Always');
  const sidecars = inits.filter((status) => isSidecar(textAt(status, 'name')));
  let restarts = [...statuses, ...sidecars].reduce((sum, status) => sum + (numberAt(status, 'restartCount') ?? 0), 0);
  let ready = sidecars.filter((status) => status['ready'] === true).length;
  const total = objectsAt(pod, 'spec', 'containers').length + initSpecs.filter((item) => item['restartPolicy'] === 'Always').length;
  const waitingInit = inits.findIndex((status) => {
    if (isSidecar(textAt(status, 'name'))) return status['started'] !== true;
    return numberAt(status, 'state', 'terminated', 'exitCode') !== 0;
  });
  if (waitingInit >= 0) {
    const status = inits[waitingInit];
    const ended = objectAt(status, 'state', 'terminated');
    const waiting = textAt(status, 'state', 'waiting', 'reason');
    restarts = inits.reduce((sum, item) => sum + (numberAt(item, 'restartCount') ?? 0), 0);
    if (ended !== undefined) reason = `Init:${textAt(ended, 'reason') || `ExitCode:${numberAt(ended, 'exitCode') ?? 0}`}`;
    else if (waiting !== '' && waiting !== 'PodInitializing') reason = `Init:${waiting}`;
    else reason = `Init:${waitingInit}/${initSpecs.length}`;
  } else {
    let isRunning = false;
    for (const status of [...statuses].reverse()) {
      const waiting = textAt(status, 'state', 'waiting', 'reason');
      const ended = objectAt(status, 'state', 'terminated');
      if (waiting !== '') reason = waiting;
      else if (ended !== undefined) {
        const signal = numberAt(ended, 'signal') ?? 0;
        reason = textAt(ended, 'reason') || (signal !== 0 ? `Signal:${signal}` : `ExitCode:${numberAt(ended, 'exitCode') ?? 0}`);
      } else if (status['ready'] === true && objectAt(status, 'state', 'running') !== undefined) {
        isRunning = true;
        ready++;
      }
    }
    if (reason === 'Completed' && isRunning) {
      reason = objectsAt(pod, 'status', 'conditions').some((item) => item['type'] === 'Ready' && item['status'] === 'True')
        ? 'Running'
        : 'NotReady';
    }
  }
  const ends = [...statuses, ...inits].map((status) => textAt(status, 'lastState', 'terminated', 'finishedAt')).sort();
  if (pod.metadata.deletionTimestamp !== undefined) reason = textAt(pod, 'status', 'reason') === 'NodeLost' ? 'Unknown' : 'Terminating';
  return { reason, ready, total, restarts, lastRestart: ends.at(-1) ?? '' };
}

function servicePorts(service: KubeObject): string {
  const ports = objectsAt(service, 'spec', 'ports').map((port) => {
    const node = numberAt(port, 'nodePort') ?? 0;
    return `${numberAt(port, 'port') ?? 0}${node === 0 ? '' : `:${node}`}/${textAt(port, 'protocol') || 'TCP'}`;
  });
  return orNone(ports.join(','));
}

function externalIp(service: KubeObject): string {
  const type = textAt(service, 'spec', 'type');
  if (type === 'ExternalName') return textAt(service, 'spec', 'externalName');
  const ingress = objectsAt(service, 'status', 'loadBalancer', 'ingress').map((item) => textAt(item, 'ip') || textAt(item, 'hostname'));
  const all = [...(type === 'LoadBalancer' ? ingress : []), ...textsAt(service, 'spec', 'externalIPs')];
  return all.length > 0 ? all.join(',') : type === 'LoadBalancer' ? '<pending>' : '<none>';
}

function endpointsText(endpoints: KubeObject): string {
  const all = objectsAt(endpoints, 'subsets').flatMap((subset) =>
    objectsAt(subset, 'addresses').flatMap((address) => {
      const ports = objectsAt(subset, 'ports');
      return ports.length === 0 ? [textAt(address, 'ip')] : ports.map((port) => `${textAt(address, 'ip')}:${numberAt(port, 'port') ?? 0}`);
    }),
  );
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : orNone(all.join(','));
}

function limited(values: readonly string[], none: string): string {
  return values.length > 3
    ? `${values.slice(0, 3).join(',')} + ${values.length - 3} more...`
    : values.length === 0
      ? none
      : values.join(',');
}

function nodeStatus(node: KubeObject): string {
  const ready = objectsAt(node, 'status', 'conditions').find((item) => item['type'] === 'Ready');
  const status = ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady';
  return at(node, 'spec', 'unschedulable') === true ? `${status},SchedulingDisabled` : status;
}

function nodeRoles(node: KubeObject): string {
  const roles = Object.keys(node.metadata.labels ?? {}).flatMap((key) =>
    key.startsWith('node-role.kubernetes.io/') ? [key.slice(24)] : [],
  );
  return orNone(roles.sort().join(','));
}

function jobStatus(job: KubeObject): string {
  const holds = (type: string) => objectsAt(job, 'status', 'conditions').some((item) => item['type'] === type && item['status'] === 'True');
  if (holds('Complete')) return 'Complete';
  if (holds('Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  return at(job, 'spec', 'suspend') === true ? 'Suspended' : 'Running';
}

function jobDuration(job: KubeObject, nowMs: number): string {
  const start = Date.parse(textAt(job, 'status', 'startTime'));
  if (Number.isNaN(start)) return '';
  const end = Date.parse(textAt(job, 'status', 'completionTime'));
  return humanDuration((Number.isNaN(end) ? nowMs : end) - start);
}

const POD_COLUMNS: readonly Column[] = [
  NAME,
  text('Ready', (pod) => `${podStatus(pod).ready}/${podStatus(pod).total}`),
  text('Status', (pod) => podStatus(pod).reason),
  text('Restarts', (pod, nowMs) => {
    const { restarts, lastRestart } = podStatus(pod);
    return restarts > 0 && lastRestart !== '' ? `${restarts} (${age(lastRestart, nowMs)} ago)` : String(restarts);
  }),
  AGE,
  text('IP', (pod) => orNone(textAt(pod, 'status', 'podIP')), true),
  text('Node', (pod) => orNone(textAt(pod, 'spec', 'nodeName')), true),
  text('Nominated Node', (pod) => orNone(textAt(pod, 'status', 'nominatedNodeName')), true),
  text('Readiness Gates', () => '<none>', true),
];

const BUILTIN: Readonly<Record<string, readonly Column[]>> = {
  pods: POD_COLUMNS,
  services: [
    NAME,
    text('Type', (object) => textAt(object, 'spec', 'type')),
    text('Cluster-IP', (object) => orNone(textAt(object, 'spec', 'clusterIP'))),
    text('External-IP', externalIp),
    text('Port(s)', servicePorts),
    AGE,
    text('Selector', (object) => orNone(labelSelectorText({ matchLabels: objectAt(object, 'spec', 'selector') ?? {} })), true),
  ],
  'deployments.apps': [
    NAME,
    text('Ready', (object) => `${numberAt(object, 'status', 'readyReplicas') ?? 0}/${numberAt(object, 'spec', 'replicas') ?? 0}`),
    count('Up-to-date', 'status', 'updatedReplicas'),
    count('Available', 'status', 'availableReplicas'),
    AGE,
    ...containersOf(['spec', 'template', 'spec']),
    SELECTOR,
  ],
  'replicasets.apps': [
    NAME,
    count('Desired', 'spec', 'replicas'),
    count('Current', 'status', 'replicas'),
    count('Ready', 'status', 'readyReplicas'),
    AGE,
    ...containersOf(['spec', 'template', 'spec']),
    SELECTOR,
  ],
  'statefulsets.apps': [
    NAME,
    text('Ready', (object) => `${numberAt(object, 'status', 'readyReplicas') ?? 0}/${numberAt(object, 'spec', 'replicas') ?? 0}`),
    AGE,
    ...containersOf(['spec', 'template', 'spec']),
  ],
  'daemonsets.apps': [
    NAME,
    count('Desired', 'status', 'desiredNumberScheduled'),
    count('Current', 'status', 'currentNumberScheduled'),
    count('Ready', 'status', 'numberReady'),
    count('Up-to-date', 'status', 'updatedNumberScheduled'),
    count('Available', 'status', 'numberAvailable'),
    text('Node Selector', () => '<none>'),
    AGE,
    ...containersOf(['spec', 'template', 'spec']),
    SELECTOR,
  ],
  'jobs.batch': [
    NAME,
    text('Status', jobStatus),
    text('Completions', (object) => `${numberAt(object, 'status', 'succeeded') ?? 0}/${numberAt(object, 'spec', 'completions') ?? 1}`),
    text('Duration', jobDuration),
    AGE,
    ...containersOf(['spec', 'template', 'spec']),
    SELECTOR,
  ],
  nodes: [
    NAME,
    text('Status', nodeStatus),
    text('Roles', nodeRoles),
    AGE,
    text('Version', (object) => textAt(object, 'status', 'nodeInfo', 'kubeletVersion')),
    text(
      'Internal-IP',
      (object) =>
        orNone(
          textAt(
            objectsAt(object, 'status', 'addresses').find((item) => item['type'] === 'InternalIP'),
            'address',
          ),
        ),
      true,
    ),
    text('External-IP', () => '<none>', true),
    text('OS-Image', (object) => textAt(object, 'status', 'nodeInfo', 'osImage') || '<unknown>', true),
    text('Kernel-Version', (object) => textAt(object, 'status', 'nodeInfo', 'kernelVersion') || '<unknown>', true),
    text('Container-Runtime', (object) => textAt(object, 'status', 'nodeInfo', 'containerRuntimeVersion') || '<unknown>', true),
  ],
  namespaces: [NAME, text('Status', (object) => textAt(object, 'status', 'phase')), AGE],
  'endpointslices.discovery.k8s.io': [
    NAME,
    text('AddressType', (object) => textAt(object, 'addressType')),
    text('Ports', (object) =>
      limited(
        objectsAt(object, 'ports').map((port) => String(numberAt(port, 'port') ?? '*')),
        '<unset>',
      ),
    ),
    text('Endpoints', (object) =>
      limited(
        objectsAt(object, 'endpoints').flatMap((endpoint) => textsAt(endpoint, 'addresses')),
        '<unset>',
      ),
    ),
    AGE,
  ],
  endpoints: [NAME, text('Endpoints', endpointsText), AGE],
  serviceaccounts: [NAME, { name: 'Secrets', type: 'integer', cell: (object) => objectsAt(object, 'secrets').length }, AGE],
  configmaps: [NAME, { name: 'Data', type: 'integer', cell: dataCount }, AGE],
  secrets: [NAME, text('Type', (object) => textAt(object, 'type')), { name: 'Data', type: 'integer', cell: dataCount }, AGE],
  events: [
    text('Last Seen', (object, nowMs) =>
      age(textAt(object, 'lastTimestamp') || textAt(object, 'eventTime') || object.metadata.creationTimestamp, nowMs),
    ),
    text('Type', (object) => textAt(object, 'type')),
    text('Reason', (object) => textAt(object, 'reason')),
    text('Object', (object) => `${textAt(object, 'involvedObject', 'kind').toLowerCase()}/${textAt(object, 'involvedObject', 'name')}`),
    text('Message', (object) => textAt(object, 'message').trim()),
  ],
  'ingresses.networking.k8s.io': [
    NAME,
    text('Class', (object) => orNone(textAt(object, 'spec', 'ingressClassName'))),
    text('Hosts', (object) =>
      limited(
        objectsAt(object, 'spec', 'rules').map((rule) => textAt(rule, 'host') || '*'),
        '*',
      ),
    ),
    text('Address', (object) =>
      limited(
        objectsAt(object, 'status', 'loadBalancer', 'ingress').map((item) => textAt(item, 'ip') || textAt(item, 'hostname')),
        '',
      ),
    ),
    text('Ports', (object) => (objectsAt(object, 'spec', 'tls').length > 0 ? '80, 443' : '80')),
    AGE,
  ],
  'customresourcedefinitions.apiextensions.k8s.io': [NAME, text('Created At', (object) => String(object.metadata.creationTimestamp ?? ''))],
  'clusterroles.rbac.authorization.k8s.io': [NAME, text('Created At', (object) => String(object.metadata.creationTimestamp ?? ''))],
  'roles.rbac.authorization.k8s.io': [NAME, text('Created At', (object) => String(object.metadata.creationTimestamp ?? ''))],
  'clusterrolebindings.rbac.authorization.k8s.io': [
    NAME,
    text('Role', (object) => `${textAt(object, 'roleRef', 'kind')}/${textAt(object, 'roleRef', 'name')}`),
    AGE,
  ],
  'rolebindings.rbac.authorization.k8s.io': [
    NAME,
    text('Role', (object) => `${textAt(object, 'roleRef', 'kind')}/${textAt(object, 'roleRef', 'name')}`),
    AGE,
  ],
  'leases.coordination.k8s.io': [NAME, text('Holder', (object) => textAt(object, 'spec', 'holderIdentity')), AGE],
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': [
    NAME,
    { name: 'Webhooks', type: 'integer', cell: (object) => objectsAt(object, 'webhooks').length },
    AGE,
  ],
  'validatingwebhookconfigurations.admissionregistration.k8s.io': [
    NAME,
    { name: 'Webhooks', type: 'integer', cell: (object) => objectsAt(object, 'webhooks').length },
    AGE,
  ],
};

function dataCount(object: KubeObject): number {
  return Object.keys(objectAt(object, 'data') ?? {}).length + Object.keys(objectAt(object, 'binaryData') ?? {}).length;
}

/** Evaluates a column's JSONPath: field steps, `[0]`, `[*]` and `[?(@.a=="b")]`. */
export function evaluateJsonPath(object: unknown, path: string): unknown[] {
  let current: unknown[] = [object];
  for (const match of path.matchAll(/\.([A-Za-z0-9_-]+|\\\.)+|\[(\*|\d+|'[^']*'|\?\(@\.([\w.]+)==["']([^"']*)["']\))\]/g)) {
    const [step, , inner = '', field, value] = match;
    current = current.flatMap((item): unknown[] => {
      if (step.startsWith('.')) return [at(item, step.slice(1))];
      if (inner.startsWith("'")) return [at(item, inner.slice(1, -1))];
      if (!Array.isArray(item)) return [];
      if (inner === '*') return item;
      if (field !== undefined) return item.filter((entry: unknown) => String(at(entry, ...field.split('.')) ?? '') === value);
      return [item[Number(inner)]];
    });
  }
  return current.filter((item) => item !== undefined);
}

function customColumn(column: PrinterColumn): Column {
  return {
    name: column.name,
    type: column.type === 'integer' ? 'integer' : 'string',
    wide: (column.priority ?? 0) > 0,
    cell: (object, nowMs) => {
      const values = evaluateJsonPath(object, column.jsonPath);
      const [first] = values;
      if (first === undefined || first === null) return null;
      if (column.type === 'date') return age(first, nowMs);
      if (values.length > 1 || isObject(first) || Array.isArray(first)) return JSON.stringify(values.length > 1 ? values : first);
      return typeof first === 'number' && column.type === 'integer' ? first : String(first);
    },
  };
}

function columnsOf(resource: Resource, version: string): readonly Column[] {
  const builtin = BUILTIN[resource.id];
  if (builtin !== undefined) return builtin;
  const declared = resource.versions.find(({ name }) => name === version)?.columns;
  return declared === undefined ? [NAME, AGE] : [NAME, ...declared.map(customColumn)];
}

export interface TableOptions {
  readonly nowMs: number;
  /** What each row carries: metadata (the default), the whole object, or nothing. */
  readonly include: string;
  readonly header: boolean;
  readonly metadata: JsonObject;
}

/** `meta.k8s.io/v1 Table`: what `kubectl get` prints. */
export function renderTable(
  resource: Resource,
  version: string,
  objects: readonly KubeObject[],
  { nowMs, include, header, metadata }: TableOptions,
): JsonObject {
  const columns = columnsOf(resource, version);
  const columnDefinitions = columns.map(
    (column): JsonObject => ({
      name: column.name,
      type: column.type,
      format: column.name === 'Name' ? 'name' : '',
      description: '',
      priority: column.wide === true ? 1 : 0,
    }),
  );
  const rows = objects.map((object): JsonObject => {
    const row: JsonObject = { cells: columns.map((column) => column.cell(object, nowMs)) };
    // Objects are JSON: the interface only names the fields that every kind has.
    if (include === 'Object') row['object'] = object as unknown as JsonObject;
    else if (include !== 'None')
      row['object'] = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata as unknown as JsonObject };
    const phase = textAt(object, 'status', 'phase');
    if (resource.id === 'pods' && (phase === 'Succeeded' || phase === 'Failed'))
      row['conditions'] = [{ type: 'Completed', status: 'True', reason: phase, message: 'The pod has completed successfully.' }];
    return row;
  });
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: header ? columnDefinitions : [], rows };
}
