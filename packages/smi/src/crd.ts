import { type SmiKind, smiKinds } from './kinds.ts';

type Schema = Record<string, unknown>;

const string: Schema = { type: 'string' };
const list = (items: Schema): Schema => ({ type: 'array', items });
const object = (properties: Record<string, Schema>, required: readonly string[] = []): Schema => ({
  type: 'object',
  ...(required.length === 0 ? {} : { required }),
  properties,
});
const anything: Schema = { 'x-kubernetes-preserve-unknown-fields': true };
const reference = object({ kind: string, name: string, matches: list(string) }, ['name']);
const account = object({ kind: string, name: string, namespace: string, port: { type: 'integer', minimum: 1, maximum: 65535 } }, ['name']);

const match = object({ name: string, pathRegex: string, methods: list(string), headers: anything });
const tcpMatches = object({ ports: list({ type: 'integer', minimum: 1, maximum: 65535 }) });
const target = { destination: account, sources: list(account), rules: list(reference), specs: list(reference) };

/** Fields by kind: `spec`, and what stood beside it in older versions. */
const FIELDS: Readonly<Record<string, Record<string, Schema>>> = {
  TrafficSplit: {
    spec: object(
      {
        service: { type: 'string', minLength: 1 },
        backends: list(object({ service: { type: 'string', minLength: 1 }, weight: { 'x-kubernetes-int-or-string': true } }, ['service'])),
        matches: list(object({ apiGroup: string, kind: string, name: string }, ['name'])),
      },
      ['service', 'backends'],
    ),
  },
  TrafficTarget: { spec: object(target), ...target },
  HTTPRouteGroup: { spec: object({ matches: list(match) }), matches: list(match) },
  TCPRoute: { spec: object({ matches: tcpMatches }) },
};

/** The CRDs of SMI's kinds: every version is served, and holds what any version could. */
export function customResourceDefinitions(): readonly Schema[] {
  return smiKinds.map(definition);
}

function definition({ group, kind, plural, shortNames, versions }: SmiKind): Schema {
  const columns = kind === 'TrafficSplit' ? [{ name: 'Service', type: 'string', jsonPath: '.spec.service' }] : [];
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, labels: { app: 'xebec' } },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames },
      versions: versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        schema: { openAPIV3Schema: object(FIELDS[kind] ?? {}) },
        additionalPrinterColumns: [...columns, { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }],
      })),
    },
  };
}
