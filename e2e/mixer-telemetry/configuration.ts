/** Where handlers send; one that is absent has no handler. */
export interface Backends {
  readonly fluentd?: string;
  /** A second one, without answers. */
  readonly fluent?: string;
  readonly statsd?: string;
  readonly otlpGrpc?: string;
  readonly otlpHttp?: string;
  readonly zipkin?: string;
  readonly events?: string;
}

const object = (kind: string, name: string, spec: object) =>
  JSON.stringify({ apiVersion: 'config.istio.io/v1alpha2', kind, metadata: { name, namespace: 'istio-system' }, spec });

const instances = [
  object('instance', 'newlog', {
    compiledTemplate: 'logentry',
    params: {
      severity: '"warning"',
      timestamp: 'request.time',
      variables: {
        source: 'source.workload.name | "unknown"',
        sourceIp: 'source.ip | ip("0.0.0.0")',
        path: 'request.path | ""',
        responseCode: 'response.code | 0',
        latency: 'response.duration | "0ms"',
        mtls: 'connection.mtls | false',
      },
      monitored_resource_type: '"global"',
    },
  }),
  object('instance', 'calls', {
    compiledTemplate: 'metric',
    params: { value: '1', dimensions: { destination: 'destination.workload.name | "unknown"', code: 'response.code | 0' } },
  }),
  object('instance', 'took', {
    compiledTemplate: 'metric',
    params: { value: 'response.duration | "0ms"', dimensions: { destination: 'destination.workload.name | "unknown"' } },
  }),
  object('instance', 'span', {
    compiledTemplate: 'tracespan',
    params: {
      traceId: 'request.headers["x-b3-traceid"]',
      spanId: 'request.headers["x-b3-spanid"] | ""',
      parentSpanId: 'request.headers["x-b3-parentspanid"] | ""',
      spanName: 'destination.service.host | "unknown"',
      startTime: 'request.time',
      endTime: 'response.time',
      clientSpan: '(context.reporter.kind | "inbound") == "outbound"',
      httpStatusCode: 'response.code | 0',
      sourceName: 'source.workload.name | "unknown"',
      sourceIp: 'source.ip | ip("0.0.0.0")',
      destinationName: 'destination.workload.name | "unknown"',
      destinationIp: 'destination.ip | ip("0.0.0.0")',
      requestSize: 'request.size | 0',
      responseSize: 'response.size | 0',
      spanTags: { 'http.method': 'request.method | ""', 'http.path': 'request.path | ""' },
    },
  }),
  object('instance', 'edge', {
    compiledTemplate: 'edge',
    params: {
      timestamp: 'request.time',
      sourceWorkloadName: 'source.workload.name | "unknown"',
      sourceWorkloadNamespace: 'source.workload.namespace | "unknown"',
      destinationWorkloadName: 'destination.workload.name | "unknown"',
      destinationServiceName: 'destination.service.host | "unknown"',
      contextProtocol: 'context.protocol | "unknown"',
    },
  }),
];

/** Handlers for these backends, and a rule for each that sends it what it takes. */
export function configuration(backends: Backends): string {
  const documents = [...instances];
  const handler = (name: string, compiledAdapter: string, params: object, taken: string[]) => {
    documents.push(object('handler', name, { compiledAdapter, params }));
    documents.push(object('rule', name, { actions: [{ handler: name, instances: taken }] }));
  };
  const { fluentd, fluent, statsd, otlpGrpc, otlpHttp, zipkin, events } = backends;
  if (fluentd !== undefined)
    handler('fluentd', 'fluentd', { address: fluentd, pushIntervalDuration: '50ms', requireAck: true }, ['newlog']);
  if (fluent !== undefined) handler('fluent', 'fluentd', { address: fluent, pushIntervalDuration: '50ms' }, ['newlog']);
  if (statsd !== undefined) {
    const metrics = {
      'calls.instance.istio-system': { type: 'COUNTER', name_template: '{{.destination}}-{{.code}}' },
      'took.instance.istio-system': { type: 'DISTRIBUTION', name_template: 'took.{{.destination}}' },
    };
    handler('statsd', 'statsd', { address: statsd, prefix: 'mesh', flushDuration: '50ms', metrics }, ['calls', 'took']);
  }
  const metrics = [
    { instanceName: 'calls', name: 'mesh.calls', kind: 'COUNTER' },
    { instanceName: 'took', name: 'mesh.took', kind: 'DISTRIBUTION', bounds: [0.05, 0.1, 1] },
  ];
  const all = ['newlog', 'calls', 'took', 'span', 'edge'];
  if (otlpGrpc !== undefined) handler('otlpgrpc', 'opentelemetry', { endpoint: otlpGrpc, metricsInterval: '100ms', metrics }, all);
  if (otlpHttp !== undefined) {
    const resource = { 'deployment.environment': 'http' };
    const params = { endpoint: otlpHttp, protocol: 'HTTP_JSON', metricsInterval: '100ms', metrics, resource };
    handler('otlphttp', 'opentelemetry', params, all);
  }
  if (zipkin !== undefined) handler('zipkin', 'zipkin', { url: zipkin, sampleProbability: 1 }, ['span']);
  if (events !== undefined) {
    for (const mode of ['STRUCTURED', 'BINARY', 'BATCH']) {
      handler(`events-${mode.toLowerCase()}`, 'cloudevents', { url: events, mode, source: `urn:mesh:${mode}` }, all);
    }
  }
  return documents.join('\n---\n');
}
