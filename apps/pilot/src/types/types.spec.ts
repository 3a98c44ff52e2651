import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { ClustersConfigDumpSchema } from '@xebec/protos/envoy/admin/v3/config_dump_shared';
import { TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import { WasmSchema } from '@xebec/protos/envoy/extensions/filters/http/wasm/v3/wasm';
import { FailurePolicy } from '@xebec/protos/envoy/extensions/wasm/v3/wasm';
import type { Resource } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { ClientConfigSchema, ConfigStatus } from '@xebec/protos/envoy/service/status/v3/csds';
import { ResourceSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { NameTableSchema } from '@xebec/protos/istio/networking/nds/v1/nds';
import { CLUSTER_TYPE, EXTENSION_TYPE, LISTENER_TYPE, NAME_TABLE_TYPE } from '@xebec/xds';
import { afterEach, describe, expect, it } from 'vitest';
import { AdsClient, type Fixture, type FixtureOptions, objectsOf, REVIEWS, sidecarNode, startPilot } from '../testing/pilot-fixture.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Node = ConstructorParameters<typeof AdsClient>[1];

async function pilot(options: FixtureOptions = {}, yaml = REVIEWS): Promise<Fixture> {
  const fixture = await startPilot(objectsOf(yaml), options);
  cleanups.push(() => fixture.close());
  return fixture;
}

function connect<V extends 'sotw' | 'delta'>({ port }: Fixture, variant: V, node: Node = sidecarNode('a')): AdsClient<V> {
  const client = new AdsClient(port, node, variant);
  cleanups.push(() => client.close());
  return client;
}

/** The bytes of a resource, in the response of either variant. */
function bytesOf(one: Any | Resource | undefined): Uint8Array {
  const any = one?.$typeName === 'google.protobuf.Any' ? one : one?.resource;
  return any?.value ?? new Uint8Array();
}

const other = `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: other, namespace: default}
spec:
  hosts: [other.example.com]
  addresses: [240.240.0.9, 10.9.0.0/16]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
`;

describe('NDS', () => {
  it.each(['sotw', 'delta'] as const)('gives the table at once over %s, and again when it changes', async (variant) => {
    const mesh = await pilot();
    const client = connect(mesh, variant);
    const read = ({ resources }: Awaited<ReturnType<typeof client.next>>) => fromBinary(NameTableSchema, bytesOf(resources[0])).table;
    expect(read(await client.fetch(NAME_TABLE_TYPE))).toEqual({
      'reviews.default.svc.cluster.local': expect.objectContaining({ ips: ['10.1.0.1'], registry: 'External', shortname: '' }),
    });
    mesh.source.apply(objectsOf(other));
    expect(Object.keys(read(await client.next()))).toEqual(['other.example.com', 'reviews.default.svc.cluster.local']);
    // No view of the mesh is built for a stream that wants names only.
    expect(mesh.ads.connections().map(({ connection }) => connection)).toEqual([undefined]);
  });
});

const EXTENSIONS = `apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: guard, namespace: default}
spec:
  url: registry.example.com/guard:1
  phase: AUTHN
  failStrategy: FAIL_OPEN
  pluginConfig: {level: 3}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: extra, namespace: default}
spec:
  configPatches:
  - applyTo: EXTENSION_CONFIG
    patch:
      operation: ADD
      value:
        name: extra-cors
        typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}
`;

describe('ECDS', () => {
  it.each(['sotw', 'delta'] as const)('gives the filters that listeners name over %s, and no others', async (variant) => {
    const client = connect(await pilot({}, `${REVIEWS}---\n${EXTENSIONS}`), variant);
    const plugin = 'extensions.istio.io/trafficextension/default.guard~istio-translated-wasmplugin';
    const response = await client.fetch(EXTENSION_TYPE, [plugin, 'extra-cors']);
    const [guard, cors] = response.resources.map((one) => fromBinary(TypedExtensionConfigSchema, bytesOf(one)));
    expect([guard?.name, cors?.name]).toEqual([plugin, 'extra-cors']);
    expect(cors?.typedConfig?.typeUrl).toBe('type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors');
    const { config } = fromBinary(WasmSchema, guard?.typedConfig?.value ?? new Uint8Array());
    expect(config).toMatchObject({ failurePolicy: FailurePolicy.FAIL_OPEN, vm: { value: { code: { specifier: { case: 'remote' } } } } });
  });
});

describe('GENERATOR=api', () => {
  const node = { id: 'sidecar~10.0.0.9~galley.istio-system~istio-system.svc.cluster.local', metadata: { GENERATOR: 'api' } };

  it('gives the objects of a kind, and follows them', async () => {
    const mesh = await pilot({ caller: { namespace: 'istio-system', serviceAccount: 'galley' } });
    const client = connect(mesh, 'sotw', node);
    const type = 'networking.istio.io/v1/VirtualService';
    const response = await client.fetch(type);
    expect(response).toMatchObject({ typeUrl: type, resources: [{ typeUrl: 'type.googleapis.com/istio.mcp.v1alpha1.Resource' }] });
    expect(fromBinary(ResourceSchema, response.resources[0]?.value ?? new Uint8Array()).metadata?.name).toBe('default/reviews');
    mesh.source.apply([], ['networking.istio.io/VirtualService/default/reviews']);
    expect((await client.next()).resources).toEqual([]);
  });

  it('is refused to other namespaces', async () => {
    const mesh = await pilot({ caller: { namespace: 'default', serviceAccount: 'reviews' } });
    const client = connect(mesh, 'sotw', sidecarNode('a', { GENERATOR: 'api' }));
    client.send('networking.istio.io/v1/VirtualService');
    await expect(client.next()).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  });
});

describe('debug types', () => {
  it.each(['sotw', 'delta'] as const)('tell istioctl over %s how far each proxy is', async (variant) => {
    const mesh = await pilot();
    const proxy = connect(mesh, 'sotw');
    await proxy.fetch(CLUSTER_TYPE);
    proxy.send(LISTENER_TYPE);
    const { nonce } = await proxy.next();
    proxy.send(LISTENER_TYPE, { nonce, error: 'no such filter' });
    const asking = connect(mesh, variant, sidecarNode('istioctl'));
    const ask = async () => {
      asking.send('istio.io/debug/syncz');
      const response = await asking.next();
      expect(response.typeUrl).toBe('istio.io/debug/syncz');
      return response.resources.map((one) => fromBinary(ClientConfigSchema, bytesOf(one)));
    };
    await expect
      .poll(async () =>
        (await ask()).flatMap(({ genericXdsConfigs }) =>
          genericXdsConfigs.map(({ configStatus, errorState }) => [configStatus, errorState?.details]),
        ),
      )
      .toEqual([
        [ConfigStatus.SYNCED, undefined],
        [ConfigStatus.ERROR, 'no such filter'],
      ]);
    expect((await ask()).map(({ node }) => node?.id)).toEqual([sidecarNode('a').id]);
  });

  it('give the dump of one proxy, and any page by its path', async () => {
    const mesh = await pilot();
    const proxy = connect(mesh, 'sotw');
    await proxy.fetch(CLUSTER_TYPE);
    const asking = connect(mesh, 'sotw', sidecarNode('istioctl'));
    const dump = await asking.fetch('istio.io/debug/config_dump', ['a.default']);
    const clusters = dump.resources.find(({ typeUrl }) => typeUrl.endsWith('ClustersConfigDump'));
    expect(fromBinary(ClustersConfigDumpSchema, clusters?.value ?? new Uint8Array()).dynamicActiveClusters.length).toBeGreaterThan(0);
    const page = await asking.fetch('istio.io/debug', ['configz']);
    expect(JSON.parse(new TextDecoder().decode(page.resources[0]?.value))).toMatchObject([
      { kind: 'ServiceEntry' },
      { kind: 'VirtualService' },
    ]);
  });

  it('tell a caller of another namespace only of its own proxies', async () => {
    const mesh = await pilot({ caller: { namespace: 'default', serviceAccount: 'a' } });
    const client = connect(mesh, 'sotw');
    client.send('istio.io/debug', { names: ['configz'] });
    await expect(client.next()).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  });
});

describe('identity', () => {
  it.each([
    ['namespace', { namespace: 'elsewhere', serviceAccount: 'a' }, /namespace "default".*namespace "elsewhere"/],
    ['service account', { namespace: 'default', serviceAccount: 'b' }, /account is "a".*"b"/],
  ])('of another %s than the credentials is refused', async (_what, caller, message) => {
    const client = connect(await pilot({ caller }), 'sotw', sidecarNode('a', { SERVICE_ACCOUNT: 'a' }));
    client.send(CLUSTER_TYPE);
    await expect(client.next()).rejects.toMatchObject({ code: status.PERMISSION_DENIED, details: expect.stringMatching(message) });
  });
});
