import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { MetricStore, noWorkloads, RateLimitDomains, RoleStore } from '@xebec/adapters';
import { createDirectorySource } from '@xebec/config';
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { type AttributeBag, type AttributeValue, encodeAttributes } from '@xebec/expressions';
import { CheckRequestSchema, type CheckResponse, Mixer, ReportRequestSchema } from '@xebec/protos/istio/mixer/v1/mixer';
import { methodDefinition } from '@xebec/rpc';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Dispatcher } from './dispatcher.ts';
import { mixerApi } from './grpc-service.ts';
import { createMixerMetrics } from './metrics.ts';
import { emptyPolicy, policyProblemText } from './policy-compiler.ts';
import { loadPolicy } from './policy-loader.ts';

const root = new URL('../../../', import.meta.url).pathname;
const cleanups: (() => Promise<unknown> | undefined)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A Mixer on a real port, fed from a directory with these files. */
async function startMixer(files: Record<string, string>) {
  const directory = await mkdtemp(join(tmpdir(), 'mixer-'));
  cleanups.push(() => rm(directory, { recursive: true }));
  await mkdir(directory, { recursive: true });
  const write = (name: string, text: string) => writeFile(join(directory, name), text);
  for (const [name, text] of Object.entries(files)) await write(name, text);
  const metrics = createMixerMetrics(new Registry());
  const registry = new Registry();
  const context = { clock: systemClock, logger: silentLogger };
  const dispatcher = new Dispatcher(emptyPolicy, { ...context, random: systemRandom, metrics });
  const source = createDirectorySource({ directory, defaultNamespace: 'istio-system', ...context });
  const lines: string[] = [];
  const environment = {
    ...context,
    random: systemRandom,
    workloads: noWorkloads,
    rateLimits: new RateLimitDomains(),
    roles: new RoleStore(),
    metrics: new MetricStore(registry),
    mixerMetrics: metrics,
    writeLine: (line: string) => void lines.push(line),
  };
  const loader = loadPolicy({ sources: [source], dispatcher, environment, metrics, ...context });
  await source.start();
  const server = new Server();
  const { definition, implementation } = mixerApi({ dispatcher, metrics, ...context });
  server.addService(definition, implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  cleanups.push(async () => {
    client.close();
    server.forceShutdown();
    await source.close();
    loader.close();
  });
  const check = (bag: AttributeBag, more: MessageInitShape<typeof CheckRequestSchema> = {}) => {
    const method = methodDefinition(Mixer.method.check);
    const request = create(CheckRequestSchema, { attributes: encodeAttributes(bag), ...more });
    return new Promise<CheckResponse>((resolve, reject) =>
      client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, (error, response) => {
        if (error !== null || response === undefined || !('$typeName' in response)) reject(error ?? new Error('no message'));
        else resolve(response);
      }),
    );
  };
  const report = (bags: readonly AttributeBag[]) => {
    const method = methodDefinition(Mixer.method.report);
    const request = create(ReportRequestSchema, { attributes: bags.map((bag) => encodeAttributes(bag)), repeatedAttributesSemantics: 1 });
    return new Promise<void>((resolve, reject) =>
      client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, (error) =>
        error === null ? resolve() : reject(error),
      ),
    );
  };
  return { check, report, write, registry, lines, problems: () => loader.problems().map(policyProblemText) };
}

const text = (value: string): AttributeValue => ({ form: 'string', value });
const labels = (entries: Record<string, string>): AttributeValue => ({ form: 'stringMap', value: new Map(Object.entries(entries)) });
const call = (version: string): AttributeBag =>
  new Map([
    ['source.labels', labels({ app: 'reviews', version })],
    ['destination.labels', labels({ app: 'ratings' })],
    ['context.protocol', text('http')],
  ]);
const sample = await readFile(join(root, 'samples/mixer/denier.yaml'), 'utf8');
const defaults = await readFile(join(root, 'deploy/mixer-defaults.yaml'), 'utf8');

describe('Check', () => {
  it('denies what the sample rule matches and lets the rest pass', async () => {
    const mixer = await startMixer({ 'denier.yaml': sample });
    expect(mixer.problems()).toEqual([]);
    const denied = (await mixer.check(call('v3'))).precondition;
    expect(denied?.status).toMatchObject({ code: 7, message: 'denyreviewsv3handler.istio-system:Not allowed' });
    expect(denied?.validDuration?.seconds).toBe(5n);
    expect(denied?.validUseCount).toBe(1000);
    const passed = (await mixer.check(call('v2'))).precondition;
    expect(passed?.status?.code).toBe(0);
    expect(passed?.validDuration?.seconds).toBe(60n);
    expect(passed?.validUseCount).toBe(10_000);
  });
  it('names the attributes that decided', async () => {
    const mixer = await startMixer({ 'denier.yaml': sample });
    const referenced = (await mixer.check(call('v3'))).precondition?.referencedAttributes;
    const word = (index: number) => referenced?.words[-index - 1];
    expect(referenced?.attributeMatches.map((match) => [word(match.name), word(match.mapKey), match.condition])).toEqual([
      ['context.reporter.kind', undefined, 1],
      ['destination.namespace', undefined, 1],
      ['destination.labels', 'app', 2],
      ['source.labels', 'app', 2],
      ['source.labels', 'version', 2],
    ]);
  });
  it('follows an edit of the directory, and keeps what was good when the edit is wrong', async () => {
    const mixer = await startMixer({ 'denier.yaml': sample });
    await mixer.write('denier.yaml', sample.replace('code: 7', 'code: 9'));
    await vi.waitFor(async () => expect((await mixer.check(call('v3'))).precondition?.status?.code).toBe(9), { timeout: 5000 });
    await mixer.write('denier.yaml', sample.replace('destination.labels["app"] ==', 'destination.labelz["app"] =='));
    await vi.waitFor(() => expect(mixer.problems()).toHaveLength(1), { timeout: 5000 });
    expect(mixer.problems()[0]).toContain(
      'rule istio-system/denyreviewsv3: spec.match: column 1: unknown attribute "destination.labelz"; did you mean "destination.labels"?',
    );
    expect((await mixer.check(call('v3'))).precondition?.status?.code).toBe(7);
  });
  it('applies a rule of another namespace to the services there alone', async () => {
    const mixer = await startMixer({ 'denier.yaml': sample.replaceAll('istio-system', 'shop') });
    const to = (namespace: string) => mixer.check(new Map([...call('v3'), ['destination.namespace', text(namespace)]]));
    expect((await to('shop')).precondition?.status?.code).toBe(7);
    expect((await to('other')).precondition?.status?.code).toBe(0);
  });
});

describe('configuration', () => {
  it('of releases before 1.4 works unchanged', async () => {
    const mixer = await startMixer({ 'older.yaml': await readFile(join(root, 'samples/mixer/older-kinds.yaml'), 'utf8') });
    expect(mixer.problems()).toEqual([]);
    const from = (app: string, version: string): AttributeBag => new Map([['source.labels', labels({ app, version })]]);
    const status = async (bag: AttributeBag) => (await mixer.check(bag)).precondition?.status;
    expect(await status(from('guest', 'v1'))).toMatchObject({ code: 16, message: 'guests.denier.istio-system:who are you?' });
    expect(await status(from('web', 'v3'))).toMatchObject({ message: 'versions.listchecker.istio-system:v3 is not whitelisted' });
    const allowed = await mixer.check(from('web', 'v2'), {
      deduplicationId: 'a',
      quotas: { requestcount: { amount: 5n, bestEffort: true } },
    });
    expect(allowed.precondition).toMatchObject({ status: { code: 0 }, validDuration: { seconds: 30n } });
    expect(allowed.quotas['requestcount']).toMatchObject({ grantedAmount: 3n, validDuration: { seconds: 100n } });
    await mixer.report([from('web', 'v2')]);
    expect(JSON.parse(mixer.lines[0] ?? '')).toMatchObject({ instance: 'accesslog.logentry.istio-system', app: 'web', code: 0 });
  });
  it('of a rule that names what is not there does without it', async () => {
    const action = '  - handler: gone\n    instances: [denyreviewsv3request]\n';
    const mixer = await startMixer({ 'denier.yaml': `${sample.trimEnd()}\n${action}` });
    expect(mixer.problems()).toEqual([expect.stringMatching(/"gone\.istio-system".* \(the rest of the object is in force\)$/)]);
    expect((await mixer.check(call('v3'))).precondition?.status?.code).toBe(7);
  });
});

describe('Report', () => {
  it('counts requests by the default configuration', async () => {
    const mixer = await startMixer({ 'defaults.yaml': defaults });
    expect(mixer.problems()).toEqual([]);
    const bag: AttributeBag = new Map<string, AttributeValue>([
      ...call('v3'),
      ['context.reporter.kind', text('inbound')],
      ['connection.mtls', { form: 'bool', value: true }],
      ['response.code', { form: 'int64', value: 503n }],
      ['response.duration', { form: 'duration', value: 20_000_000n }],
      ['destination.service.host', text('ratings.default.svc.cluster.local')],
    ]);
    await mixer.report([bag, bag, new Map([...bag, ['request.useragent', text('kube-probe/1.30')]])]);
    const exposed = await mixer.registry.metrics();
    const line = exposed.split('\n').find((candidate) => candidate.startsWith('istio_requests_total{'));
    expect(line).toMatch(/ 2$/);
    for (const label of [
      'reporter="destination"',
      'source_version="v3"',
      'destination_app="ratings"',
      'response_code="503"',
      'connection_security_policy="mutual_tls"',
      'destination_service="ratings.default.svc.cluster.local"',
    ]) {
      expect(line).toContain(label);
    }
    expect(exposed).toMatch(/istio_request_duration_seconds_sum\{.*\} 0.04\n/);
  });
});
