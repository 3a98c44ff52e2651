import { afterEach, expect, it } from 'vitest';
import { eventually, freePort, startDaemon } from '../src/daemon-process.ts';
import { type ApiServer, createApiServer } from './api-server.ts';
import { MESH, serviceEntry, slice } from './mesh-objects.ts';

const CRDS = new URL('../../deploy/crds/networking.istio.io.yaml', import.meta.url).pathname;
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Known {
  readonly services: string[];
  readonly endpoints: string[];
}

async function open(): Promise<{ server: ApiServer; known: () => Promise<Known>; output: () => string }> {
  const server = createApiServer();
  cleanups.push(() => server.close());
  await server.start();
  await server.apply(MESH);
  const http = await freePort();
  const args = ['--kubeconfig', server.kubeconfig, '--http-addr', `127.0.0.1:${http}`, '--grpc-addr', '127.0.0.1:0'];
  const pilot = startDaemon('pilot', args, { ENABLE_DEBUG_ENDPOINT_AUTH: 'false' });
  cleanups.push(() => pilot.stop());
  const page = async (name: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${http}/debug/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status} ${await response.text()} ${pilot.output().slice(-2_000)}`);
    return await response.json();
  };
  // Pages of our own pilot: their shape is what its own specs hold down.
  const known = async (): Promise<Known> => {
    const services = (await page('registryz')) as { hostname: string; namespace: string; addresses: string[]; resolution: string }[];
    const shards = (await page('endpointShardz')) as Record<
      string,
      Record<string, { Shards: Record<string, { address: string; port: number; health: string }[]> }>
    >;
    return {
      services: services
        .filter(({ namespace }) => namespace === 'shop')
        .map(({ hostname, addresses, resolution }) => `${hostname.split('.')[0]} ${addresses.join()} ${resolution}`)
        .sort(),
      endpoints: Object.entries(shards)
        .flatMap(([host, { shop }]) =>
          Object.values(shop?.Shards ?? {}).flatMap((list) =>
            list.map(({ address, port, health }) => `${host.split('.')[0]} ${address}:${port} ${health}`),
          ),
        )
        .sort(),
    };
  };
  await eventually('a pilot that is synced', async () => ((await known()).services.length === 3 ? true : undefined));
  return { server, known, output: pilot.output };
}

const endpoints = (known: () => Promise<Known>, expected: readonly string[]) =>
  eventually(expected.join(), async () => ((await known()).endpoints.join() === expected.join() ? true : undefined));

it('knows of the same services and endpoints whichever API server holds them', async () => {
  const { known } = await open();
  expect(await known()).toEqual({
    services: ['db  passthrough', 'outside  dns', 'web 10.96.7.7 client-side'],
    endpoints: [
      'db 10.244.1.3:8080 healthy',
      'outside example.com:443 healthy',
      'web 10.244.1.1:8080 healthy',
      'web 10.244.1.2:8080 unhealthy',
    ],
  });
});

it('loses nothing while the API server is away, and sees after it is back what came and went', async () => {
  const { server, known } = await open();
  const before = await known();
  await server.kill();
  expect(await known()).toEqual(before);
  await server.start();
  // Whatever was watched before the end is watched again: changes arrive, and nothing went in between.
  await server.apply([slice('web', [['10.244.1.9', true]])]);
  await endpoints(known, ['db 10.244.1.3:8080 healthy', 'outside example.com:443 healthy', 'web 10.244.1.9:8080 healthy']);
  expect((await known()).services).toEqual(before.services);
  await server.kubectl('delete', 'service', 'db', '-n', 'shop');
  await endpoints(known, ['outside example.com:443 healthy', 'web 10.244.1.9:8080 healthy']);
});

it('takes the definitions of our kinds, and gives the hosts of a ServiceEntry addresses in its status', async () => {
  const { server } = await open();
  await server.kubectl('apply', '--server-side', '-f', CRDS);
  await eventually('kinds', async () =>
    (await server.kubectl('api-resources', '--api-group=networking.istio.io', '-o', 'name')).includes('serviceentries') ? true : undefined,
  );
  await server.kubectl('wait', '--for=condition=Established', '--timeout=20s', 'crd', 'serviceentries.networking.istio.io');
  await eventually('a ServiceEntry that is taken', () =>
    server.apply([serviceEntry('out', ['a.example.com', 'b.example.com'])]).then(
      () => true as const,
      () => undefined,
    ),
  );
  const addresses = await eventually('addresses', async () => {
    const text = await server.kubectl('get', 'serviceentry', 'out', '-n', 'shop', '-o', 'jsonpath={.status.addresses}');
    return text === '' ? undefined : text;
  });
  expect(JSON.parse(addresses)).toEqual([
    { value: '240.240.0.1', host: 'a.example.com' },
    { value: '2001:2::1', host: 'a.example.com' },
    { value: '240.240.0.2', host: 'b.example.com' },
    { value: '2001:2::2', host: 'b.example.com' },
  ]);
});
