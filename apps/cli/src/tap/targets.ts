import { AppsV1Api, CoreV1Api, type KubeConfig, type V1LabelSelector } from '@kubernetes/client-node';
import { CommandFailure, EXIT } from '../exit.ts';
import { callApi } from '../kube/connection.ts';

/** Which pods to look at. */
export interface PodSelection {
  /** Undefined: all namespaces. */
  readonly namespace: string | undefined;
  readonly labelSelector: string | undefined;
  /** Only the pod of this name. */
  readonly podName: string | undefined;
  /** What was asked for, for messages. */
  readonly text: string;
}

export interface TargetOptions {
  readonly selector?: string;
  readonly allNamespaces?: boolean;
}

const kinds: Readonly<Record<string, string>> = {
  pod: 'pod',
  po: 'pod',
  deployment: 'deployment',
  deploy: 'deployment',
  statefulset: 'statefulset',
  sts: 'statefulset',
  daemonset: 'daemonset',
  ds: 'daemonset',
  replicaset: 'replicaset',
  rs: 'replicaset',
  service: 'service',
  svc: 'service',
  namespace: 'namespace',
  ns: 'namespace',
};

/** `deploy/reviews` and `reviews.default` in parts; throws what is wrong with others. */
export function parseTarget(
  text: string,
  namespace: string,
): { readonly kind: string | undefined; readonly name: string; readonly namespace: string } {
  const slash = text.indexOf('/');
  const kindText = slash === -1 ? undefined : text.slice(0, slash).toLowerCase();
  const kind = kindText === undefined ? undefined : (kinds[kindText] ?? kinds[kindText.replace(/s$/, '')]);
  if (kindText !== undefined && kind === undefined)
    throw new CommandFailure(
      `"${text}": ${kindText} is nothing that has proxies; write deploy/, statefulset/, daemonset/, service/, pod/ or namespace/`,
      EXIT.usage,
    );
  const [name = '', ...rest] = text.slice(slash + 1).split('.');
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name)) throw new CommandFailure(`"${text}": "${name}" is no name of an object`, EXIT.usage);
  return { kind, name, namespace: rest.length === 0 ? namespace : rest.join('.') };
}

/** Finds the pods' selector. Throws when the target is not there, or when nothing says what to look at. */
export async function selectPods(
  config: KubeConfig,
  target: string | undefined,
  namespace: string,
  options: TargetOptions,
): Promise<PodSelection> {
  const { selector, allNamespaces } = options;
  const everywhere = allNamespaces === true;
  if (target === undefined) {
    if (selector === undefined && !everywhere)
      throw new CommandFailure(
        'what to look at? Name a target such as deploy/reviews, labels with -l, or all namespaces with -A',
        EXIT.usage,
      );
    const text = selector === undefined ? 'all namespaces' : `-l ${selector}`;
    return { namespace: everywhere ? undefined : namespace, labelSelector: selector, podName: undefined, text };
  }
  if (selector !== undefined || everywhere)
    throw new CommandFailure(`${target} and ${selector === undefined ? '-A' : '-l'} both say what to look at; use one of them`, EXIT.usage);
  const parsed = parseTarget(target, namespace);
  if (parsed.kind === undefined) return firstOf(config, parsed.name, parsed.namespace);
  return (
    (await lookUp(config, parsed.kind, parsed.name, parsed.namespace)) ?? notFound(`${parsed.kind} "${parsed.name}"`, parsed.namespace)
  );
}

function notFound(what: string, namespace: string): never {
  throw new CommandFailure(`${what} not found in namespace ${namespace}`);
}

async function firstOf(config: KubeConfig, name: string, namespace: string): Promise<PodSelection> {
  for (const kind of ['pod', 'deployment', 'service']) {
    const found = await lookUp(config, kind, name, namespace);
    if (found !== undefined) return found;
  }
  throw new CommandFailure(`there is no pod, deployment or service "${name}" in namespace ${namespace}`);
}

async function lookUp(config: KubeConfig, kind: string, name: string, namespace: string): Promise<PodSelection | undefined> {
  const core = config.makeApiClient(CoreV1Api);
  const apps = config.makeApiClient(AppsV1Api);
  const place = { name, namespace };
  const text = `${kind}/${name}`;
  const selected = (selector: V1LabelSelector | undefined): PodSelection => ({
    namespace,
    labelSelector: selectorText(selector),
    podName: undefined,
    text,
  });
  const read = async <T>(call: Promise<T>): Promise<T | undefined> => callApi(config, orNothing(call), text);
  switch (kind) {
    case 'pod':
      return (await read(core.readNamespacedPod(place))) === undefined
        ? undefined
        : { namespace, labelSelector: undefined, podName: name, text };
    case 'namespace':
      return (await read(core.readNamespace({ name }))) === undefined
        ? undefined
        : { namespace: name, labelSelector: undefined, podName: undefined, text };
    case 'service': {
      const service = await read(core.readNamespacedService(place));
      if (service === undefined) return undefined;
      if (Object.keys(service.spec?.selector ?? {}).length === 0)
        throw new CommandFailure(`service "${name}" of namespace ${namespace} has no selector: nothing says which pods it has`);
      return selected({ matchLabels: service.spec?.selector ?? {} });
    }
    case 'deployment':
      return withSelector(await read(apps.readNamespacedDeployment(place)), selected);
    case 'statefulset':
      return withSelector(await read(apps.readNamespacedStatefulSet(place)), selected);
    case 'daemonset':
      return withSelector(await read(apps.readNamespacedDaemonSet(place)), selected);
    default:
      return withSelector(await read(apps.readNamespacedReplicaSet(place)), selected);
  }
}

function withSelector(
  object: { readonly spec?: { readonly selector: V1LabelSelector } } | undefined,
  selected: (selector: V1LabelSelector | undefined) => PodSelection,
): PodSelection | undefined {
  return object === undefined ? undefined : selected(object.spec?.selector);
}

/** Undefined where the API server has no such object. */
async function orNothing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 404) return undefined;
    throw error;
  }
}

/** A selector as query parameters have it. */
export function selectorText(selector: V1LabelSelector | undefined): string {
  const terms = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values } of selector?.matchExpressions ?? []) {
    if (operator === 'Exists') terms.push(key);
    else if (operator === 'DoesNotExist') terms.push(`!${key}`);
    else terms.push(`${key} ${operator === 'In' ? 'in' : 'notin'} (${(values ?? []).join(',')})`);
  }
  return terms.join(',');
}
