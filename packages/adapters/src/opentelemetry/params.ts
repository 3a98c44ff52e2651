import { err, ok, type Result, type Violation } from '@xebec/core';
import { z } from 'zod';
import { qualifiedName } from '../delivery/instance-fields.ts';
import { camelFields, enumValue, hostPort, httpUrl, probability, requestHeaders } from '../delivery/protobuf-fields.ts';
import { milliseconds, parseParams } from '../params.ts';

export const PROTOCOLS = ['GRPC', 'HTTP_PROTOBUF', 'HTTP_JSON'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

const metric = z.strictObject({
  instanceName: z.string().min(1, 'names an instance'),
  name: z.string().regex(/^[A-Za-z][A-Za-z0-9_./-]{0,254}$/, 'a metric name starts with a letter and has letters, digits and "_.-/"'),
  kind: enumValue(['COUNTER', 'GAUGE', 'DISTRIBUTION']),
  unit: z.string().max(63).optional(),
  description: z.string().default(''),
  /** Upper bounds of a distribution's buckets. */
  bounds: z.array(z.number()).max(200).optional(),
});
export type MetricDefinition = z.output<typeof metric>;

const params = z.strictObject({
  endpoint: z.string(),
  protocol: enumValue(PROTOCOLS).default('GRPC'),
  headers: requestHeaders.default({}),
  /** Who reports, beside `service.name`. */
  resource: z.record(z.string(), z.string()).default({}),
  sampleProbability: probability.default(1),
  metrics: z.array(metric).default([]),
  metricsInterval: milliseconds.default(10_000),
});

export interface OpenTelemetryParams extends Omit<z.output<typeof params>, 'metrics'> {
  /** For gRPC `host:port`, else a URL without the path of a signal. */
  readonly target: string;
  readonly secure: boolean;
  /** By `name.namespace` of the instance. */
  readonly metrics: ReadonlyMap<string, MetricDefinition>;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '4317', 'https:': '4317' };

/** Reads a handler's params. */
export function readOpenTelemetryParams(raw: unknown, namespace: string): Result<OpenTelemetryParams> {
  const named = camelFields(raw, Object.keys(params.shape));
  const list = typeof named === 'object' && named !== null && 'metrics' in named ? named.metrics : undefined;
  const inner = Array.isArray(list) ? list.map((item) => camelFields(item, Object.keys(metric.shape))) : list;
  const parsed = parseParams(params, inner === undefined ? named : { ...(named as object), metrics: inner }); // an object: it has metrics
  if (!parsed.ok) return parsed;
  const { endpoint, protocol, metrics: definitions } = parsed.value;
  const violations: Violation[] = [];
  const target = readEndpoint(endpoint, protocol);
  if (!target.ok) violations.push({ path: 'spec.params.endpoint', message: target.error });
  const metrics = new Map<string, MetricDefinition>();
  const names = new Set<string>();
  for (const [i, definition] of definitions.entries()) {
    const path = `spec.params.metrics[${i}]`;
    const instance = qualifiedName(definition.instanceName, namespace);
    if (metrics.has(instance)) violations.push({ path: `${path}.instanceName`, message: `${instance} is the source of two metrics` });
    if (names.has(definition.name)) violations.push({ path: `${path}.name`, message: `two metrics are named ${definition.name}` });
    if (definition.bounds?.some((bound, at, all) => at > 0 && bound <= (all[at - 1] ?? bound)))
      violations.push({ path: `${path}.bounds`, message: 'bounds go up from one to the next' });
    names.add(definition.name);
    metrics.set(instance, definition);
  }
  return violations.length > 0 || !target.ok ? err(violations) : ok({ ...parsed.value, ...target.value, metrics });
}

function readEndpoint(text: string, protocol: Protocol): Result<{ target: string; secure: boolean }, string> {
  const url = text.includes('://') ? httpUrl.safeParse(text) : undefined;
  if (url?.success === false) return err(url.error.issues[0]?.message ?? 'is no URL');
  if (protocol === 'GRPC') {
    if (url === undefined) {
      const address = hostPort.safeParse(text);
      return address.success ? ok({ target: text, secure: false }) : err(address.error.issues[0]?.message ?? 'is no address');
    }
    const { protocol: scheme, hostname, port, pathname } = new URL(url.data);
    if (pathname !== '/') return err(`"${text}" has a path, which gRPC does not know; take it out or set protocol to HTTP_PROTOBUF`);
    return ok({ target: `${hostname}:${port || (DEFAULT_PORTS[scheme] ?? '4317')}`, secure: scheme === 'https:' });
  }
  if (url === undefined) return err(`"${text}" is not a URL: with protocol ${protocol} it starts with http:// or https://`);
  return ok({ target: url.data.replace(/\/$/, ''), secure: url.data.startsWith('https:') });
}
