import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, freePort, requiredPeer, startProcess } from '../src/daemon-process.ts';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { startMixer } from './mixer.ts';

const cleanups: (() => unknown)[] = [];
let mixer: Awaited<ReturnType<typeof startMixer>>;
let logFile = '';
let http = 0;
let tcp = 0;

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-intakes-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  logFile = join(directory, 'access.log');
  const root = join(import.meta.dirname, '../../deploy');
  const parts = await Promise.all(['mixer-defaults.yaml', 'mixer-access-log.yaml'].map((name) => readFile(join(root, name), 'utf8')));
  mixer = await startMixer(
    parts.join('\n---\n').replace('outputAsJson: true', `outputAsJson: true\n    logStream: FILE\n    outputPath: ${logFile}`),
  );
  cleanups.push(() => mixer.stop());
  const backend = createServer((request, response) => {
    request.resume();
    response.writeHead(request.url === '/missing' ? 404 : 200, { 'x-from': 'backend' }).end('hello');
  });
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  cleanups.push(() => {
    backend.closeAllConnections();
    backend.close();
  });
  [http, tcp] = [await freePort(), await freePort()];
  const port = (backend.address() as AddressInfo).port; // a TCP server that listens has an address
  const text = envoyBootstrap({ http, tcp, backend: port, mixer: mixer.grpc });
  const envoy = startProcess(requiredPeer('ENVOY'), ['--config-yaml', text, '--use-dynamic-base-id', '-l', 'warning']);
  cleanups.push(() => envoy.stop());
  await eventually('Envoy serves', async () => ((await fetch(`http://127.0.0.1:${http}/warm`)).ok ? true : undefined), 60_000);
});
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const logged = async (): Promise<Record<string, unknown>[]> =>
  (await readFile(logFile, 'utf8').catch(() => ''))
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Record<string, unknown> => JSON.parse(line));

describe('a stock Envoy', () => {
  it('has its requests in the standard metrics and in the access log of Mixer', async () => {
    for (let i = 0; i < 3; i++) {
      await fetch(`http://127.0.0.1:${http}/missing?x=1`.replace('?x=1', ''), {
        method: 'POST',
        body: 'body!',
        headers: { 'end-user': 'jason', 'user-agent': 'spec/1' },
      });
    }
    const line = await eventually('three requests', async () =>
      (await mixer.metrics())
        .split('\n')
        .find((text) => text.startsWith('istio_requests_total{') && text.includes('response_code="404"') && text.endsWith(' 3')),
    );
    for (const label of [
      'reporter="source"',
      'source_workload="productpage-v1"',
      'source_workload_namespace="default"',
      'source_app="productpage"',
      'source_version="v1"',
      'destination_service="reviews.default.svc.cluster.local"',
      'destination_service_name="reviews"',
      'destination_service_namespace="default"',
      'request_protocol="http"',
      'response_flags="-"',
    ]) {
      expect(line).toContain(label);
    }
    const entry = (
      await eventually('the log', async () => {
        const found = (await logged()).filter(({ responseCode }) => responseCode === 404);
        return found.length === 3 ? found : undefined;
      })
    )[0];
    expect(entry).toMatchObject({
      level: 'info',
      instance: 'accesslog.instance.istio-system',
      method: 'POST',
      url: '/missing',
      requestSize: 5,
      responseSize: 5,
      userAgent: 'spec/1',
      sourceWorkload: 'productpage-v1',
      destinationServiceHost: 'reviews.default.svc.cluster.local',
      reporter: 'source',
      protocol: 'http',
      httpAuthority: `127.0.0.1:${http}`,
    });
    expect(Date.now() - Date.parse(String(entry?.['time']))).toBeLessThan(600_000);
    expect(String(entry?.['requestId'])).toMatch(/^[0-9a-f-]{36}$/);
  });
  it('has its connections there too', async () => {
    const socket = connect(tcp, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    let received = 0;
    socket.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    await once(socket, 'close');
    const sent = await eventually('the connection', async () =>
      (await mixer.metrics()).split('\n').find((line) => line.startsWith('istio_tcp_sent_bytes_total{')),
    );
    expect(sent).toContain('destination_service_name="reviews"');
    expect(Number(sent.split(' ').at(-1))).toBe(received);
    const entry = await eventually('the log', async () =>
      (await logged()).find(({ instance }) => instance === 'tcpaccesslog.instance.istio-system'),
    );
    expect(entry).toMatchObject({ connectionEvent: 'close', sentBytes: received, receivedBytes: 46, protocol: 'tcp' });
  });
  it('has its statistics at Mixer, for Prometheus', async () => {
    const page = await eventually('the statistics', async () => {
      const text = await mixer.page('/proxy-metrics');
      return /^envoy_cluster_upstream_rq_total\{[^}]*envoy_cluster_name="reviews"\} [1-9]/m.test(text) ? text : undefined;
    });
    const own = 'node_id="sidecar~10.0.0.1~productpage-v1-abc.default~default.svc.cluster.local",node_cluster="productpage.default"';
    expect(page).toContain('# TYPE envoy_cluster_upstream_rq_total counter');
    expect(page).toContain('# TYPE envoy_server_live gauge');
    expect(page).toContain(`envoy_server_live{${own}} 1`);
    expect(page).toMatch(/^envoy_cluster_upstream_rq_time_bucket\{[^}]*le="\+Inf"\} \d+$/m);
    expect(await mixer.page('/metrics')).toMatch(/^mixer_access_log_entries_total\{kind="http"\} [4-9]/m);
  });
});
