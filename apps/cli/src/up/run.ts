import { chmodSync, mkdirSync } from 'node:fs';
import * as http from 'node:http';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '@xebec/core';
import { applyAll, bringDown, type KubeClient, type ManifestObject, readManifests, Supervisor } from '@xebec/local';
import { CommandFailure, EXIT } from '../exit.ts';
import type { UpOptions } from './command.ts';
import { Progress } from './progress.ts';
import { printTimings } from './timings.ts';

const CHECKOUT = fileURLToPath(new URL('../../../..', import.meta.url));
const POLL_MS = 40;
const READY_DEADLINE_MS = 120_000;
const APPLY_DEADLINE_MS = 60_000;

/** `xebec up`: prints `ready` once everything answers, then supervises until a signal. */
export async function runUp(options: UpOptions): Promise<void> {
  const progress = new Progress();
  const directory = resolve(options.dir);
  const { capture } = options;
  if (capture !== 'auto' && capture !== 'netns' && capture !== 'loopback') {
    throw new CommandFailure(`--capture wants auto, netns or loopback, but got "${capture}"`, EXIT.usage);
  }
  const gatewayPort = port('--gateway-port', options.gatewayPort);
  const supervisor = new Supervisor({
    directory,
    checkout: CHECKOUT,
    nodePath: process.execPath,
    gatewayPort,
    httpsGatewayPort: port('--gateway-https-port', options.gatewayHttpsPort),
    tcpGatewayPort: port('--gateway-tcp-port', options.gatewayTcpPort),
    capture,
    env: {
      ...process.env,
      // The images' commands, for `kubectl exec`.
      PATH: `${join(CHECKOUT, 'node_modules/.bin')}${delimiter}${process.env['PATH'] ?? ''}`,
      NODE_COMPILE_CACHE: compileCache(),
    },
    clock: systemClock,
    random: systemRandom,
    onDeath: (line) => progress.line(`! ${line}; starting it again`),
  });
  await supervisor.prepare();
  const stop = new AbortController();
  const signalled = receivedSignal(stop);
  let failure: unknown;
  try {
    await Promise.race([bringUp(supervisor, options, directory, gatewayPort, progress, stop.signal), signalled]);
    await signalled;
  } catch (error) {
    failure = error;
  }
  progress.line('stopping…');
  await supervisor.stop();
  progress.done('stopped; nothing is left running');
  if (failure !== undefined) throw failure;
  process.exit(0);
}

async function bringUp(
  supervisor: Supervisor,
  options: UpOptions,
  directory: string,
  gatewayPort: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  progress.waiting('API server and node agent');
  const starting = supervisor.start();
  const samples = options.samples === undefined ? join(CHECKOUT, 'samples') : resolve(options.samples);
  // Parsing the manifests takes as long as the API server's start: both at once.
  const definitions = readManifests(join(CHECKOUT, 'deploy/crds'));
  const mesh = readManifests(join(CHECKOUT, 'deploy/base'));
  const bookinfo = options.demo === true ? readManifests(join(samples, 'bookinfo/platform/kube/bookinfo.yaml')) : [];
  const gateway = options.demo === true ? readManifests(join(samples, 'bookinfo/networking/bookinfo-gateway.yaml')) : [];
  const client = await starting;
  progress.done('API server');
  const retry = { deadlineMs: APPLY_DEADLINE_MS, signal };

  const namespaces = mesh.filter((object) => object.kind === 'Namespace');
  await applyAll(client, namespaces, retry);
  const workloads = (object: ManifestObject) => object.kind === 'Deployment' || object.kind === 'Pod' || object.kind === 'Job';
  await applyAll(client, [...mesh.filter((object) => object.kind !== 'Namespace'), ...definitions], retry);
  if (options.demo === true) {
    const labelled: ManifestObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } };
    await applyAll(client, [labelled], retry);
    await client.mergePatch('/api/v1/namespaces/default', { metadata: { labels: { 'istio-injection': 'enabled' } } });
    await applyAll(
      client,
      bookinfo.filter((object) => !workloads(object)),
      retry,
    );
  }
  progress.done('manifests of the mesh applied');

  const components = mesh.filter((object) => object.kind === 'Deployment');
  const meshReady = untilDeployed(client, components, progress, signal);
  if (options.demo === true) {
    // A pod made before the injector answers would have no sidecar.
    await untilInjector(client, signal);
    progress.done('sidecar injector');
    await applyAll(client, [...bookinfo.filter(workloads), ...gateway], retry);
  }
  await meshReady;
  const capture = supervisor.captureMode();
  progress.line(`  ${capture?.why ?? 'capture mode unknown'}`);
  const url = `http://127.0.0.1:${gatewayPort}/productpage`;
  if (options.demo === true) {
    await untilDeployed(
      client,
      bookinfo.filter((object) => object.kind === 'Deployment'),
      progress,
      signal,
    );
    await untilPage(url, progress, signal);
    progress.done(`GET ${url} is 200`);
  }
  if (options.timings === true) await printTimings(client, progress);
  const kubeconfig = join(directory, 'kubeconfig');
  if (options.demo === true) {
    for (const line of [
      '',
      `  Bookinfo    ${url}`,
      `  kubeconfig  ${kubeconfig}`,
      '',
      '  Try next, in another terminal:',
      `    export KUBECONFIG=${kubeconfig}`,
      '    kubectl get pods',
      '    kubectl apply -f samples/bookinfo/networking/destination-rule-all.yaml -f samples/bookinfo/networking/virtual-service-all-v1.yaml',
      '    npx xebec proxy-status',
      '  and docs/walkthrough.md for the whole tour. Ctrl-C here stops everything.',
      '',
    ]) {
      progress.line(line);
    }
  } else {
    progress.line(`  gateway     http://127.0.0.1:${gatewayPort}\n  kubeconfig  ${kubeconfig}`);
  }
  if (signal.aborted) return;
  progress.done('the mesh is up');
  progress.line('ready');
}

async function untilDeployed(
  client: KubeClient,
  deployments: readonly ManifestObject[],
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const waiting = new Map(
    deployments.map((object) => [`${object.metadata.namespace ?? 'default'}/${object.metadata.name}`, object.metadata.name]),
  );
  const end = performance.now() + READY_DEADLINE_MS;
  while (waiting.size > 0 && !signal.aborted) {
    const namespaces = new Set([...waiting.keys()].map((key) => key.split('/')[0] ?? ''));
    for (const namespace of namespaces) {
      const list = await client
        .get<{ items?: { metadata: { name: string }; spec?: { replicas?: number }; status?: { readyReplicas?: number } }[] }>(
          `/apis/apps/v1/namespaces/${namespace}/deployments`,
        )
        .catch(() => ({ items: [] }));
      for (const item of list.items ?? []) {
        const key = `${namespace}/${item.metadata.name}`;
        if (!waiting.has(key) || (item.status?.readyReplicas ?? 0) < (item.spec?.replicas ?? 1)) continue;
        progress.done(item.metadata.name);
        waiting.delete(key);
      }
    }
    if (waiting.size === 0) return;
    if (performance.now() > end) {
      throw new CommandFailure(
        `not ready after ${READY_DEADLINE_MS / 1000} s: ${[...waiting.values()].join(', ')}; look at "kubectl describe pods -A" and the logs`,
      );
    }
    progress.waiting(`waiting for ${[...waiting.values()].join(', ')}`);
    await pause(POLL_MS);
  }
}

async function untilInjector(client: KubeClient, signal: AbortSignal): Promise<void> {
  const end = performance.now() + READY_DEADLINE_MS;
  while (!signal.aborted) {
    const [configuration, slices] = await Promise.all([
      client
        .get<{ webhooks?: { clientConfig?: { caBundle?: string } }[] }>(
          '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-sidecar-injector',
        )
        .catch(() => ({ webhooks: [] })),
      client
        .get<{ items?: { endpoints?: { conditions?: { ready?: boolean } }[] }[] }>(
          '/apis/discovery.k8s.io/v1/namespaces/istio-system/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Distio-galley',
        )
        .catch(() => ({ items: [] })),
    ]);
    const webhooks = configuration.webhooks ?? [];
    const trusted = webhooks.length > 0 && webhooks.every((webhook) => (webhook.clientConfig?.caBundle ?? '') !== '');
    const answering = (slices.items ?? []).some((slice) => slice.endpoints?.some((endpoint) => endpoint.conditions?.ready !== false));
    if (trusted && answering) return;
    if (performance.now() > end)
      throw new CommandFailure(
        `the sidecar injector is not ready after ${READY_DEADLINE_MS / 1000} s; see kubectl -n istio-system logs deploy/istio-galley`,
      );
    await pause(POLL_MS);
  }
}

async function untilPage(url: string, progress: Progress, signal: AbortSignal): Promise<void> {
  const end = performance.now() + READY_DEADLINE_MS;
  let last = '';
  while (!signal.aborted) {
    last = await new Promise<string>((done) => {
      const request = http.get(url, { agent: false, timeout: 5000 }, (response) => {
        response.resume();
        response.once('end', () => done(String(response.statusCode)));
      });
      request.once('timeout', () => request.destroy(new Error('no answer within 5 s')));
      request.once('error', (error) => done(error.message));
    });
    if (last === '200') return;
    if (performance.now() > end)
      throw new CommandFailure(`${url} does not answer 200 but ${last}; look at "xebec proxy-status" and the gateway's log`);
    progress.waiting(`GET ${url}: ${last}`);
    await pause(POLL_MS);
  }
}

export async function runDown(dir: string): Promise<void> {
  const directory = resolve(dir);
  const found = await bringDown(directory);
  process.stdout.write(found ? `stopped what ran in ${directory}\n` : `nothing runs in ${directory}\n`);
}

/** Compiled scripts of all processes, kept with the installed packages and writable for the proxies' own user. */
function compileCache(): string {
  const cache = process.env['NODE_COMPILE_CACHE'] ?? join(CHECKOUT, 'node_modules/.cache/xebec/compile');
  mkdirSync(cache, { recursive: true });
  try {
    chmodSync(cache, 0o1777);
  } catch {
    // Somebody else's directory: it is used as it is.
  }
  return cache;
}

function port(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535)
    throw new CommandFailure(`${flag} wants a port from 1 to 65535, but got "${text}"`, EXIT.usage);
  return value;
}

function receivedSignal(stop: AbortController): Promise<void> {
  return new Promise((done) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(name, () => {
        stop.abort();
        done();
      });
    }
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
