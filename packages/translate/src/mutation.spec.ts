import { readdirSync, readFileSync } from 'node:fs';
import type { JsonObject } from '@bufbuild/protobuf';
import { seededRandom } from '@xebec/core';
import { type ConfigObject, decodeObject } from '@xebec/schemas';
import { mutate } from '@xebec/schemas/testing';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { render, type Scenario } from './testing/scenario.ts';

/** More rounds by `MUTATIONS=…`. */
const ROUNDS = Number(process.env['MUTATIONS'] ?? 200);
const GOLDENS = new URL('../testdata/', import.meta.url);
const CASES = new URL('../../schemas/cases/', import.meta.url);

const scenarios: readonly Scenario[] = readdirSync(GOLDENS)
  .filter((file) => file.endsWith('.in.yaml'))
  .map((file) => parse(readFileSync(new URL(file, GOLDENS), 'utf8')));
const samples: readonly JsonObject[] = readdirSync(CASES).map((file) => parse(readFileSync(new URL(file, CASES), 'utf8')).base);

/** What is stored may be older than a check of admission: all that decodes is translated. */
function readable(object: unknown): object is JsonObject {
  return decodeObject(object, { defaultNamespace: 'default' }).ok;
}

function label({ kind, metadata: { name } }: ConfigObject): string {
  return `${kind} ${name}`;
}

const WEB = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name: 'web' },
  spec: {
    hosts: ['web.example'],
    ports: [{ name: 'constructor', number: 80, protocol: 'HTTP' }],
    resolution: 'STATIC',
    endpoints: [{ address: '10.0.0.1', ports: { valueOf: 1 } }],
  },
};
const BROKEN = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'broken' },
  spec: {
    hosts: ['web.example'],
    http: [{ fault: { abort: { httpStatus: -1, percentage: { value: 1 } } }, route: [{ destination: { host: 'web.example' } }] }],
  },
};

it.each([
  { what: 'a port that is called as what every object has', objects: [WEB] },
  { what: 'a status that is none', objects: [WEB, BROKEN] },
])('translates $what', ({ objects }) => {
  const scenario = scenarios[0];
  expect(scenario).toBeDefined();
  if (scenario !== undefined) expect(() => render({ ...scenario, objects })).not.toThrow();
});

it(
  'translates whatever random changes of valid objects can be read, for every kind of proxy',
  () => {
    const random = seededRandom(11);
    let changed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const scenario = scenarios[round % scenarios.length] ?? { node: {} };
      const extra = samples[Math.floor(random.next() * samples.length)];
      const originals = [...(scenario.objects ?? []), ...(extra === undefined ? [] : [extra])];
      const objects = originals.flatMap((object) => {
        let copy: unknown = object;
        for (let change = 0; change <= round % 3; change++) copy = mutate(copy, random);
        if (!readable(copy)) return readable(object) ? [object] : [];
        changed++;
        return [copy];
      });
      const what = () => objects.map((object) => decodeObject(object)).flatMap((result) => (result.ok ? [label(result.value)] : []));
      expect(() => render({ ...scenario, objects }), `round ${round}: ${what().join(', ')}`).not.toThrow();
    }
    expect(changed).toBeGreaterThan(ROUNDS / 2);
  },
  Math.max(60_000, ROUNDS * 100),
);

it.each([
  'zipkin',
  'opentelemetry',
  'datadog',
  'skywalking',
  'envoyHttpAls',
  'envoyTcpAls',
  'envoyOtelAls',
  'envoyExtAuthzHttp',
  'envoyExtAuthzGrpc',
])('translates for a mesh whose %s provider is not complete', (kind) => {
  const mesh = {
    extensionProviders: [{ name: 'p', [kind]: {} }],
    defaultProviders: { tracing: ['p'], accessLogging: ['p'] },
    defaultConfig: { tracing: { sampling: 500 } },
  };
  const custom = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'custom' },
    spec: { action: 'CUSTOM', provider: { name: 'p' }, rules: [{}] },
  };
  for (const scenario of scenarios.slice(0, 12))
    expect(() => render({ ...scenario, mesh, objects: [...(scenario.objects ?? []), custom] })).not.toThrow();
});
