import { once } from 'node:events';
import { hostname } from 'node:os';
import { keepFresh, liveTlsOptions, startIdentity } from '@xebec/agent';
import { type ConfigSource, type KubernetesApi, objectKey } from '@xebec/config';
import { type Logger, systemClock, systemRandom } from '@xebec/core';
import type { HealthServer, HostPort } from '@xebec/daemon';
import type { InjectionMeshConfig } from '@xebec/injection';
import { decodeMeshConfig } from '@xebec/schemas';
import { parse } from 'yaml';
import type { Authors } from '../history/authors.ts';
import type { GalleyMetrics } from '../metrics.ts';
import type { AdmissionRequest } from './admission.ts';
import { apiServerTrust } from './api-server-trust.ts';
import { keepCaBundle } from './ca-bundle.ts';
import { injectSidecar } from './inject.ts';
import { createWebhookServer } from './server.ts';
import { settledAnswer } from './settled-answer.ts';
import { validateObject } from './validate.ts';

export interface WebhookOptions {
  readonly address: HostPort;
  readonly api: KubernetesApi;
  readonly source: ConfigSource;
  readonly authors: Authors;
  /** The stalled bundle that holds an object back, by the object's key. */
  readonly stalledHolderOf: (key: string) => string | undefined;
  readonly metrics: GalleyMetrics;
  readonly health: HealthServer;
  readonly logger: Logger;
  readonly caAddress: string;
  readonly tokenFile: string;
  readonly rootFile: string;
  readonly proxyImage: string;
}

const MIXER_GROUP = 'config.istio.io';
const SERVICE = { name: 'istio-galley', namespace: 'istio-system' };

/** Serves the webhooks as soon as citadel has given a certificate; distribution does not wait for that. */
export function startWebhooks(options: WebhookOptions): { close(): Promise<void> } {
  const { api, health, logger, metrics } = options;
  const identity = startIdentity({
    caAddress: options.caAddress,
    tokenFile: options.tokenFile,
    rootFile: options.rootFile,
    serverName: 'istio-citadel.istio-system.svc',
    instance: process.env['POD_NAME'] ?? hostname(),
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  const stop = new AbortController();
  const { certificates } = identity;
  const closers: (() => Promise<void> | void)[] = [() => identity.close(), () => stop.abort()];
  let missing: string | undefined = 'no certificate yet';
  health.addReadiness('webhooks', () => missing);

  const validate = async (request: AdmissionRequest) => {
    const judge = () => validateObject(request, () => options.source.list());
    // Only Mixer's objects are warned of what is missing.
    const waits = request.resource.group === MIXER_GROUP;
    const answer = waits ? await settledAnswer(judge, options.source, systemClock) : judge();
    if (answer.allowed && request.dryRun !== true) noteAuthor(options.authors, request);
    const labels = { group: request.resource.group, resource: request.resource.resource };
    if (answer.allowed) metrics.validationPassed.inc(labels);
    else metrics.validationFailed.inc({ ...labels, reason: 'invalid_resource' });
    const holder = answer.allowed ? options.stalledHolderOf(keyOf(request)) : undefined;
    if (holder === undefined) return answer;
    const warning = `stored but not in force: bundle ${holder} is stalled and holds it back; "xebec config bundles" shows how to end it`;
    return { ...answer, warnings: [...(answer.warnings ?? []), warning] };
  };
  const inject = (request: AdmissionRequest) =>
    injectSidecar(request, {
      namespaceLabels: (namespace) => namespaceLabels(api, namespace, stop.signal),
      meshConfig: () => injectionMeshConfig(options.source),
      proxyImage: options.proxyImage,
    });

  const serve = async (): Promise<void> => {
    const certificate = await certificates.ready();
    const server = createWebhookServer(liveTlsOptions(certificates), { validate, inject }, logger);
    keepFresh(server, certificates);
    server.listen(options.address.port, options.address.host);
    await once(server, 'listening');
    closers.push(() => new Promise<void>((done) => void server.close(() => done())));
    closers.push(() => server.closeIdleConnections());
    const bundle = keepCaBundle({ api, service: SERVICE, rootPem: certificate.rootPem, clock: systemClock, random: systemRandom, logger });
    closers.push(() => bundle.close());
    // What the API server trusts of us is told to the CA only when it is written: a root rotation waits for that.
    identity.follow([apiServerTrust(certificates, bundle, systemClock)]);
    missing = undefined;
    logger.info({ webhookAddr: `${options.address.host}:${options.address.port}` }, 'serving webhooks');
  };
  serve().catch((error: unknown) => {
    missing = error instanceof Error ? error.message : String(error);
    if (!stop.signal.aborted) logger.error({}, `webhooks are not served: ${missing}`);
  });
  return {
    close: async () => {
      await Promise.all(closers.toReversed().map((close) => close()));
    },
  };
}

/** Empty for requests without an object. */
function keyOf({ object, namespace = '' }: AdmissionRequest): string {
  const { apiVersion, kind, metadata } = isRecord(object) ? object : {};
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || !isRecord(metadata)) return '';
  return objectKey({
    apiVersion,
    kind,
    metadata: { namespace: String(metadata['namespace'] ?? namespace), name: String(metadata['name'] ?? '') },
  });
}

function noteAuthor(authors: Authors, { operation, userInfo, object, oldObject }: AdmissionRequest): void {
  const user = userInfo?.username ?? '';
  if (operation === 'DELETE') authors.noteDeletion(user, oldObject);
  else authors.note(user, object);
}

async function namespaceLabels(api: KubernetesApi, namespace: string, signal: AbortSignal): Promise<Record<string, string>> {
  const body = await api.get(`/api/v1/namespaces/${encodeURIComponent(namespace)}`, signal);
  const metadata = isRecord(body) && isRecord(body['metadata']) ? body['metadata'] : {};
  const labels = isRecord(metadata['labels']) ? metadata['labels'] : {};
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)]));
}

/** MeshConfig from ConfigMap `istio`, where it can be read; defaults otherwise. */
function injectionMeshConfig(source: ConfigSource): InjectionMeshConfig {
  const map = source
    .list()
    .find((object) => object.kind === 'ConfigMap' && object.metadata.name === 'istio' && object.metadata.namespace === SERVICE.namespace);
  const data = isRecord(map?.spec) && isRecord(map.spec['data']) ? map.spec['data'] : {};
  const decoded = decodeMeshConfig(parseYaml(data['mesh']));
  if (!decoded.ok) return {};
  const { trustDomain, enablePrometheusMerge, defaultConfig } = decoded.value;
  return {
    ...(trustDomain === undefined ? {} : { trustDomain }),
    ...(enablePrometheusMerge === undefined ? {} : { enablePrometheusMerge }),
    ...(defaultConfig === undefined ? {} : { defaultConfig: { ...defaultConfig } }),
  };
}

function parseYaml(text: unknown): unknown {
  try {
    return typeof text === 'string' ? parse(text) : {};
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
