import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { requiredPeer } from '../src/daemon-process.ts';
import { caseResources, envoyCases } from './case-resources.ts';

const ENVOY = requiredPeer('ENVOY');
const goldens = new URL('../../packages/translate/testdata/', import.meta.url);
/** Goldens for proxies that are no stock Envoy: filters of our own, and listeners only gRPC clients take. */
const NOT_FOR_ENVOY = new Set(['own-proxy', 'grpc-client']);
const cases = readdirSync(goldens)
  .filter((file) => file.endsWith('.out.yaml'))
  .map((file) => file.slice(0, -'.out.yaml'.length))
  .filter((name) => !NOT_FOR_ENVOY.has(name));

type Json = Record<string, unknown>;

/** Where secrets come from when there is no ADS. */
const SECRETS = {
  apiConfigSource: { apiType: 'GRPC', transportApiVersion: 'V3', grpcServices: [{ envoyGrpc: { clusterName: 'sds-grpc' } }] },
  resourceApiVersion: 'V3',
};

interface Golden {
  readonly clusters: Json[];
  readonly listeners: Json[];
  readonly routes: Json[];
  readonly endpoints: Json[];
}

/** Validation opens no stream, so what would come over RDS and EDS is put in place: then all of it is checked. */
function bootstrap(golden: Golden): Json {
  const routes = new Map(golden.routes.map((route) => [route['name'], route]));
  const endpoints = new Map(golden.endpoints.map((assignment) => [assignment['clusterName'], assignment]));
  const inline = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inline);
    if (typeof value !== 'object' || value === null) return value;
    const out = Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, inline(entry)]));
    // Secrets over ADS need a stream too: in their place the same secrets from a cluster.
    const source = out['sdsConfig'];
    if (typeof source === 'object' && source !== null && 'ads' in source) out['sdsConfig'] = SECRETS;
    const rds = out['rds'];
    if (typeof rds === 'object' && rds !== null && 'routeConfigName' in rds) {
      const route = routes.get(rds.routeConfigName);
      if (route === undefined) throw new Error(`no route configuration ${String(rds.routeConfigName)}`);
      delete out['rds'];
      out['routeConfig'] = route;
    }
    return out;
  };
  const clusters = golden.clusters.map((cluster) => {
    if (cluster['type'] !== 'EDS') return inline(cluster);
    const { edsClusterConfig: _, ...rest } = cluster;
    return inline({ ...rest, type: 'STATIC', loadAssignment: endpoints.get(cluster['name']) });
  });
  const control = (name: string) => ({
    name,
    type: 'STATIC',
    connectTimeout: '1s',
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicitHttpConfig: { http2ProtocolOptions: {} },
      },
    },
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: 1 } } } }] }],
    },
  });
  return {
    node: { id: 'validate', cluster: 'validate' },
    dynamicResources: {
      adsConfig: { apiType: 'GRPC', transportApiVersion: 'V3', grpcServices: [{ envoyGrpc: { clusterName: 'xds-grpc' } }] },
    },
    staticResources: {
      clusters: [...clusters, control('sds-grpc'), control('xds-grpc')],
      listeners: golden.listeners.map(inline),
    },
  };
}

async function validate(golden: Golden): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-validate-'));
  try {
    const file = join(directory, 'bootstrap.json');
    await writeFile(file, JSON.stringify(bootstrap(golden)));
    // Envoy opens /dev/stdout, which must be a file: what Node pipes are made of cannot be opened.
    const output = await open(join(directory, 'output'), 'w');
    const envoy = spawn(ENVOY, ['--mode', 'validate', '-l', 'error', '-c', file], { stdio: ['ignore', output.fd, output.fd] });
    const [code] = await once(envoy, 'exit');
    await output.close();
    const said = await readFile(join(directory, 'output'), 'utf8');
    expect({ code, said }).toEqual({ code: 0, said: expect.stringMatching(/ OK\n$/) });
  } finally {
    await rm(directory, { recursive: true });
  }
}

describe('stock Envoy takes what is generated', () => {
  it.each(cases)('%s', async (name) => {
    await validate(parse(readFileSync(new URL(`${name}.out.yaml`, goldens), 'utf8')));
  });
});

describe('stock Envoy takes every translation case', () => {
  it.each(envoyCases())('%s', async (name) => {
    // What toJson gives of messages with these fields; the names of the fields say which is which.
    const resources: unknown = caseResources(name);
    await validate(resources as Golden);
  });
});
