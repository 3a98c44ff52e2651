import type { ValueType } from '@xebec/expressions';
import type { Variety } from './adapter.ts';

/** What a template's field takes: one expression, or a map of them. `type` undefined: any. */
export interface TemplateField {
  readonly shape: 'value' | 'map';
  readonly type?: ValueType;
  readonly required?: boolean;
}

export interface TemplateDefinition {
  readonly name: string;
  readonly variety: Variety;
  /** A field below another is written with a dot: `subject.user`. Templates outside of Mixer have a descriptor instead. */
  readonly fields: Readonly<Record<string, TemplateField>>;
  /** What handlers of this template find out: `$out.<name>` in `attributeBindings`, `<action>.output.<name>` in rules. */
  readonly outputs?: Readonly<Record<string, ValueType>>;
}

const one = (type?: ValueType): TemplateField => ({ shape: 'value', ...(type === undefined ? {} : { type }) });
const map: TemplateField = { shape: 'map' };
const required = (field: TemplateField): TemplateField => ({ ...field, required: true });
const strings = (names: string): Record<string, TemplateField> => Object.fromEntries(names.split(' ').map((name) => [name, one('STRING')]));
const monitoredResource = { monitoredResourceType: one('STRING'), monitoredResourceDimensions: map };
/** Release 1.4 accepted the snake-case names too, and its own samples use them. */
const monitoredResourceOld = { monitored_resource_type: one('STRING'), monitored_resource_dimensions: map };

/** What the Kubernetes adapter knows of the pod at one end. */
function podOutputs(end: 'source' | 'destination'): Record<string, ValueType> {
  const texts = 'pod_uid pod_name namespace service_account_name workload_uid workload_name workload_namespace owner';
  return {
    ...Object.fromEntries(texts.split(' ').map((name): [string, ValueType] => [`${end}_${name}`, 'STRING'])),
    [`${end}_pod_ip`]: 'IP_ADDRESS',
    [`${end}_host_ip`]: 'IP_ADDRESS',
    [`${end}_labels`]: 'STRING_MAP',
  };
}

const definitions: readonly TemplateDefinition[] = [
  { name: 'checknothing', variety: 'CHECK', fields: {} },
  { name: 'listentry', variety: 'CHECK', fields: { value: required(one()) } },
  {
    name: 'apikey',
    variety: 'CHECK',
    fields: { ...strings('api apiVersion apiOperation apiKey'), timestamp: one('TIMESTAMP') },
  },
  {
    name: 'authorization',
    variety: 'CHECK',
    fields: {
      ...strings('subject.user subject.groups action.namespace action.service action.method action.path'),
      'subject.properties': map,
      'action.properties': map,
    },
  },
  { name: 'quota', variety: 'QUOTA', fields: { dimensions: map } },
  {
    name: 'metric',
    variety: 'REPORT',
    fields: { value: required(one()), dimensions: map, ...monitoredResource, ...monitoredResourceOld },
  },
  {
    name: 'logentry',
    variety: 'REPORT',
    fields: { variables: map, timestamp: one('TIMESTAMP'), severity: one('STRING'), ...monitoredResource, ...monitoredResourceOld },
  },
  {
    name: 'tracespan',
    variety: 'REPORT',
    fields: {
      ...strings('traceId spanId parentSpanId spanName sourceName destinationName apiProtocol'),
      startTime: one('TIMESTAMP'),
      endTime: one('TIMESTAMP'),
      spanTags: map,
      httpStatusCode: one('INT64'),
      clientSpan: one('BOOL'),
      rewriteClientSpanId: one('BOOL'),
      sourceIp: one('IP_ADDRESS'),
      destinationIp: one('IP_ADDRESS'),
      requestSize: one('INT64'),
      requestTotalSize: one('INT64'),
      responseSize: one('INT64'),
      responseTotalSize: one('INT64'),
    },
  },
  {
    name: 'edge',
    variety: 'REPORT',
    fields: {
      ...strings(
        'sourceUid sourceOwner sourceWorkloadName sourceWorkloadNamespace destinationUid destinationOwner destinationWorkloadName ' +
          'destinationWorkloadNamespace destinationServiceName destinationServiceNamespace contextProtocol apiProtocol',
      ),
      timestamp: one('TIMESTAMP'),
    },
  },
  { name: 'reportnothing', variety: 'REPORT', fields: {} },
  {
    name: 'kubernetes',
    variety: 'ATTRIBUTE_GENERATOR',
    fields: {
      source_uid: one('STRING'),
      source_ip: one('IP_ADDRESS'),
      destination_uid: one('STRING'),
      destination_ip: one('IP_ADDRESS'),
      destination_port: one('INT64'),
    },
    outputs: { ...podOutputs('source'), ...podOutputs('destination'), destination_container_name: 'STRING' },
  },
];

/** Templates of release 1.4 by the name that instances give as `compiledTemplate`. */
export const templates: ReadonlyMap<string, TemplateDefinition> = new Map(definitions.map((template) => [template.name, template]));
