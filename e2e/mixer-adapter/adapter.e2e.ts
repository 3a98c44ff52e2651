import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { type AttributeBag, type AttributeValue, encodeAttributes } from '@xebec/expressions';
import { CheckRequestSchema, type CheckResponse, Mixer } from '@xebec/protos/istio/mixer/v1/mixer';
import { methodDefinition } from '@xebec/rpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMixer, text } from '../mixer-telemetry/mixer.ts';
import { eventually, freePort } from '../src/daemon-process.ts';
import { compileAdapter } from './python-adapter.ts';

const cleanups: (() => unknown)[] = [];
let python: Awaited<ReturnType<typeof compileAdapter>>;
let adapter: Awaited<ReturnType<typeof python.start>>;
let mixer: Awaited<ReturnType<typeof startMixer>>;
let client: Client;
let port = 0;

const config = 'apiVersion: config.istio.io/v1alpha2';
const instance = (name: string, template: string, params: string) =>
  `---\n${config}\nkind: instance\nmetadata: {name: ${name}, namespace: istio-system}\nspec: {template: ${template}, params: ${params}}`;
const rule = (name: string, match: string, handler: string, instances: string, more = '') =>
  `---\n${config}\nkind: rule\nmetadata: {name: ${name}, namespace: istio-system}\nspec: {match: '${match}', actions: [{handler: ${handler}, name: act, instances: [${instances}]}]${more}}`;

async function configuration(): Promise<string> {
  return `
${config}
kind: adapter
metadata: {name: mine, namespace: istio-system}
spec: {templates: [metric, listentry, quota, greeting], config: ${await python.descriptor('config.proto')}}
---
${config}
kind: adapter
metadata: {name: sessions, namespace: istio-system}
spec: {session_based: true, templates: [greeting], config: ${await python.descriptor('config.proto')}}
---
${config}
kind: template
metadata: {name: greeting, namespace: istio-system}
spec: {descriptor: ${await python.descriptor('greeting.proto')}}
---
${config}
kind: template
metadata: {name: metric, namespace: istio-system}
spec: {descriptor: ${await python.descriptor('istio/mixer/template/metric.proto')}}
---
${config}
kind: handler
metadata: {name: remote, namespace: istio-system}
spec: {adapter: mine, params: {prefix: a-, allowed: [v1, v2]}, connection: {address: "127.0.0.1:${port}", timeout: 1s}}
---
${config}
kind: handler
metadata: {name: remote-session, namespace: istio-system}
spec: {adapter: sessions, params: {prefix: b-}, connection: {address: "127.0.0.1:${port}"}}
${instance('size', 'metric', '{value: request.size, dimensions: {service: destination.service.host | "none", ip: ip("10.0.0.1"), local: "true"}}')}
${instance('version', 'listentry', '{value: \'source.labels["version"] | "none"\'}')}
${instance('limit', 'quota', '{dimensions: {user: source.user | "nobody"}}')}
${instance(
  'greet',
  'greeting',
  `{who: {name: source.user | "you"}, size: request.size | 5, share: "0.5", local: "true", address: ip("10.0.0.9"), at: timestamp("2026-01-02T03:04:05Z"), took: '"1500ms"', labels: source.labels, facts: {code: "200"}, host: dnsName("a.b"), uri: uri("http://a/b")}`,
)}
${rule('sizes', 'true', 'remote', 'size')}
${rule('versions', 'request.path == "/list"', 'remote', 'version')}
${rule('limits', 'true', 'remote', 'limit')}
${rule('greets', 'request.path == "/greet"', 'remote', 'greet', ', requestHeaderOperations: [{name: x-words, values: [act.output.words]}]')}
${rule('session-greets', 'request.path == "/session"', 'remote-session', 'greet')}
`;
}

function check(
  bag: Record<string, AttributeValue>,
  quotas: MessageInitShape<typeof CheckRequestSchema>['quotas'] = {},
): Promise<CheckResponse> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(Mixer.method.check);
  const labels: AttributeValue = { form: 'stringMap', value: new Map([['version', 'v1']]) };
  const attributes: AttributeBag = new Map(Object.entries({ 'source.user': text('ann'), 'source.labels': labels, ...bag }));
  const request = create(CheckRequestSchema, { attributes: encodeAttributes(attributes), quotas, deduplicationId: 'once' });
  return new Promise((resolve, reject) =>
    // A client gets messages; only servers may send what was encoded before.
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
      error === null && answer !== undefined ? resolve(answer as CheckResponse) : reject(error ?? new Error('no answer')),
    ),
  );
}

const at = (path: string) => ({ 'request.path': text(path) });

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-mixer-adapter-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  python = await compileAdapter(directory);
  port = await freePort();
  adapter = await python.start(port);
  cleanups.push(() => adapter.stop('SIGKILL'));
  mixer = await startMixer(await configuration());
  cleanups.push(() => mixer.stop());
  client = new Client(`127.0.0.1:${mixer.grpc}`, credentials.createInsecure());
  cleanups.push(() => client.close());
}, 400_000);
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('an adapter in Python', () => {
  it('decides about list entries by the params of the handler', async () => {
    const { precondition } = await check(at('/list'));
    expect(precondition?.status?.code).toBe(0);
    expect([precondition?.validUseCount, precondition?.validDuration]).toMatchObject([7, { seconds: 2n, nanos: 500_000_000 }]);
    const denied = await check({ ...at('/list'), 'source.labels': { form: 'stringMap', value: new Map([['version', 'v9']]) } });
    expect(denied.precondition?.status).toMatchObject({ code: 7, message: 'remote.istio-system:v9 is not welcome' });
    expect(adapter.calls('listentry')[0]).toMatchObject({
      allowed: ['v1', 'v2'],
      type: 'type.googleapis.com/e2e.adapter.Params',
      instances: [{ name: 'version.instance.istio-system', value: 'v1' }],
    });
  });
  it('grants quotas', async () => {
    const { quotas } = await check(at('/'), { limit: { amount: 5n, bestEffort: true } });
    expect(quotas['limit']?.grantedAmount).toBe(3n);
    expect(adapter.calls('quota')[0]).toMatchObject({ name: 'limit.instance.istio-system', amount: 5, best: true });
    expect(adapter.calls('quota')[0]?.['instances']).toMatchObject([{ dimensions: { user: { string_value: 'ann' } } }]);
  });
  it('hears of metrics', async () => {
    await mixer.report([1n, 2n].map((value): AttributeBag => new Map([['request.size', { form: 'int64', value }]])));
    const call = await eventually('the metrics', () => adapter.calls('metric')[0]);
    expect(call).toMatchObject({ prefix: 'a-' });
    expect(call['instances']).toMatchObject([
      {
        name: 'size.instance.istio-system',
        value: { int64_value: '1' },
        dimensions: { service: { string_value: 'none' }, ip: { ip_address_value: { value: 'CgAAAQ==' } }, local: { bool_value: true } },
      },
      { value: { int64_value: '2' } },
    ]);
  });
  it('is called with a template that Mixer was not built with, and its outputs reach headers', async () => {
    const { precondition } = await check(at('/greet'));
    expect(precondition?.routeDirective?.requestHeaderOperations).toMatchObject([{ name: 'x-words', value: 'hello ann' }]);
    expect(adapter.calls('greeting')[0]?.['instances']).toEqual([
      {
        name: 'greet.instance.istio-system',
        who: { name: 'ann' },
        size: '5',
        share: 0.5,
        local: true,
        address: { value: 'CgAACQ==' },
        at: { value: '2026-01-02T03:04:05Z' },
        took: { value: '1.500s' },
        labels: { version: 'v1' },
        facts: { code: { int64_value: '200' } },
        host: { value: 'a.b' },
        uri: { value: 'http://a/b' },
      },
    ]);
  });
  it('hears its configuration once, in a session', async () => {
    await check(at('/session'));
    await check(at('/session'));
    expect(adapter.calls('session')).toEqual([{ method: 'session', type: 'type.googleapis.com/e2e.adapter.Params' }]);
    expect(adapter.calls('greeting').at(-1)?.['type']).toBe('google.protobuf.Any.type_url');
  });
  it('may be away: checks fail at once and are counted, reports wait, and all goes on when it is back', async () => {
    await adapter.stop('SIGKILL');
    await check(at('/list')).catch(() => undefined);
    const started = performance.now();
    const failure = (await check(at('/list')).catch((error: unknown) => error)) as ServiceError;
    expect(failure.code).toBe(status.UNAVAILABLE);
    expect(performance.now() - started).toBeLessThan(500);
    const labels = 'adapter="mine.istio-system",handler="remote.istio-system",variety="CHECK"';
    expect(await mixer.counter('mixer_runtime_dispatch_errors_total', labels)).toBeGreaterThanOrEqual(2);
    await mixer.report([new Map([['request.size', { form: 'int64', value: 77n }]])]);
    adapter = await python.start(port);
    await eventually('checks are answered again', async () =>
      (await check(at('/list'))).precondition?.status?.code === 0 ? true : undefined,
    );
    await check(at('/session'));
    const late = await eventually('the report that waited', () => adapter.calls('metric')[0]);
    expect(late['instances']).toMatchObject([{ value: { int64_value: '77' } }]);
  });
});
