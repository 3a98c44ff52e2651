import { isRecord } from '@xebec/config';
import { type ConfigObject, findKind } from '@xebec/schemas';

/** Something that one object offers and another can name, such as `subset reviews.default.svc.cluster.local v2`. */
export type Reference = string;

const DOMAIN = 'svc.cluster.local';

/** What others can refer to in an object. */
export function providesOf(object: ConfigObject): readonly Reference[] {
  const { kind, metadata, spec } = object;
  const name = `${metadata.namespace}/${metadata.name}`;
  switch (kind) {
    case 'DestinationRule': {
      const host = isRecord(spec) ? fullHost(text(spec['host']), metadata.namespace) : '';
      return isRecord(spec) ? records(spec['subsets']).map((subset) => `subset ${host} ${text(subset['name'])}`) : [];
    }
    case 'Gateway':
    case 'VirtualService':
      return [`${kind} ${name}`];
    default: {
      // Older kinds of Mixer's are handlers and instances too.
      const form = findKind(object.apiVersion, kind)?.readAs ?? kind;
      return form === 'handler' || form === 'instance' ? [`${form} ${name}`] : [];
    }
  }
}

/** What an object refers to, of the kinds of things that {@link providesOf} gives. */
export function needsOf(object: ConfigObject): readonly Reference[] {
  const { kind, metadata, spec } = object;
  if (!isRecord(spec)) return [];
  const { namespace } = metadata;
  if (kind === 'rule')
    return records(spec['actions']).flatMap((action) => [
      `handler ${mixerName(text(action['handler']), namespace)}`,
      ...strings(action['instances']).map((instance) => `instance ${mixerName(instance, namespace)}`),
    ]);
  if (kind !== 'VirtualService') return [];
  const needs = new Set<Reference>();
  for (const gateway of strings(spec['gateways']))
    if (gateway !== 'mesh' && !/\..*\./.test(gateway)) needs.add(`Gateway ${gateway.includes('/') ? gateway : `${namespace}/${gateway}`}`);
  for (const route of [...records(spec['http']), ...records(spec['tls']), ...records(spec['tcp'])]) {
    const { delegate, mirror } = route;
    if (isRecord(delegate)) needs.add(`VirtualService ${text(delegate['namespace']) || namespace}/${text(delegate['name'])}`);
    const destinations = [
      ...records(route['route']).map(({ destination }) => destination),
      mirror,
      ...records(route['mirrors']).map(({ destination }) => destination),
    ];
    for (const destination of destinations)
      if (isRecord(destination) && text(destination['subset']) !== '')
        needs.add(`subset ${fullHost(text(destination['host']), namespace)} ${text(destination['subset'])}`);
  }
  return [...needs];
}

/** The references that also satisfy one: a subset can come from a rule for `*.example.com`. */
export function alternativesOf(need: Reference): readonly Reference[] {
  const [kind, host = '', subset] = need.split(' ');
  if (kind !== 'subset') return [need];
  const labels = host.split('.');
  return [need, ...labels.map((_, index) => `subset ${['*', ...labels.slice(index + 1)].join('.')} ${subset}`)];
}

function fullHost(host: string, namespace: string): string {
  return host.includes('.') || host === '' || host === '*' ? host : `${host}.${namespace}.${DOMAIN}`;
}

/** `name`, `name.namespace`, `name.kind` or `name.kind.namespace`. */
function mixerName(reference: string, namespace: string): string {
  const [name, second = namespace, third] = reference.split('.');
  const isKind = findKind('config.istio.io/v1alpha2', second) !== undefined;
  return `${third ?? (isKind ? namespace : second)}/${name}`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function records(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
