import { stringify } from 'yaml';
import type { AdapterTemplate } from './service-names.ts';

/** Instances that show what a template takes; whoever has the adapter changes them. */
const EXAMPLES: Readonly<Record<string, object>> = {
  apikey: { api: 'api.service | "unknown"', apiKey: 'request.api_key | ""' },
  authorization: {
    subject: { user: 'source.principal | ""' },
    action: { service: 'destination.service.host | ""', method: 'request.method | ""', path: 'request.path | ""' },
  },
  checknothing: {},
  edge: { sourceWorkloadName: 'source.workload.name | "unknown"', destinationWorkloadName: 'destination.workload.name | "unknown"' },
  listentry: { value: 'source.labels["version"] | "none"' },
  logentry: { severity: '"info"', timestamp: 'request.time', variables: { path: 'request.path | ""', code: 'response.code | 0' } },
  metric: { value: '1', dimensions: { service: 'destination.service.host | "unknown"', code: 'response.code | 0' } },
  quota: { dimensions: { caller: 'source.principal | "unknown"' } },
  reportnothing: {},
  tracespan: {
    traceId: 'request.headers["x-b3-traceid"] | ""',
    spanId: 'request.headers["x-b3-spanid"] | ""',
    spanName: 'request.path | "/"',
    startTime: 'request.time',
    endTime: 'response.time',
  },
};

export interface Naming {
  readonly name: string;
  readonly namespace: string;
}

/** Handler, one instance for each template, and the rule that joins them. `adapter` is what the handler says of its adapter. */
export function mixerObjects({ name, namespace }: Naming, templates: readonly AdapterTemplate[], adapter: object): readonly object[] {
  const object = (kind: string, objectName: string, spec: object) => ({
    apiVersion: 'config.istio.io/v1alpha2',
    kind,
    metadata: { name: objectName, namespace },
    spec,
  });
  // As release 1.4 wants it, one is for what Mixer was built with and the other for adapters elsewhere.
  const key = 'compiledAdapter' in adapter ? 'compiledTemplate' : 'template';
  return [
    object('handler', name, adapter),
    ...templates.map((template) =>
      object('instance', `${name}-${template.name}`, { [key]: template.name, params: EXAMPLES[template.name] ?? {} }),
    ),
    object('rule', name, {
      match: 'context.protocol == "http" || context.protocol == "grpc"',
      actions: [{ handler: name, instances: templates.map((template) => `${name}-${template.name}`) }],
    }),
  ];
}

export function yamlOf(objects: readonly object[]): string {
  return objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n');
}
