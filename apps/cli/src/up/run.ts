import { chmodSync, mkdirSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '@xebec/core';
import { applyAll, bringDown, type ManifestObject, readManifests, Supervisor } from '@xebec/local';
import { CommandFailure, EXIT } from '../exit.ts';
import type { UpOptions } from './command.ts';
import { Progress } from './progress.ts';
import { printTimings } from './timings.ts';
import { untilDeployed, untilInjector, untilNode, untilPage, type Waiting } from './waiting.ts';

const CHECKOUT = fileURLToPath(new URL('../../../..', import.meta.url));
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
  // Before anything starts: a file that cannot be read must not leave half a mesh behind.
  const demo = readDemo(options);
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
  const asked = askedToStop(stop, progress);
  let failure: unknown;
  try {
    await Promise.race([bringUp(supervisor, options, demo, directory, gatewayPort, progress, stop.signal), asked]);
    await asked;
  } catch (error) {
    failure = error;
  }
  stop.abort();
  progress.line('stopping…');
  await supervisor.stop();
  progress.done('stopped; nothing is left running');
  if (failure !== undefined) throw failure;
  process.exit(0);
}

interface DemoManifests {
  readonly bookinfo: readonly ManifestObject[];
  readonly gateway: readonly ManifestObject[];
}

/** What `--demo` applies, from `--samples` or the project's own; nothing without `--demo`. */
function readDemo(options: UpOptions): DemoManifests {
  if (options.demo !== true) return { bookinfo: [], gateway: [] };
  const samples = options.samples === undefined ? join(CHECKOUT, 'samples') : resolve(options.samples);
  return {
    bookinfo: readManifests(join(samples, 'bookinfo/platform/kube/bookinfo.yaml')),
    gateway: readManifests(join(samples, 'bookinfo/networking/bookinfo-gateway.yaml')),
  };
}

async function bringUp(
  supervisor: Supervisor,
  options: UpOptions,
  { bookinfo, gateway }: DemoManifests,
  directory: string,
  gatewayPort: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  progress.waiting('API server and node agent');
  const starting = supervisor.start();
  // Parsing the manifests takes as long as the API server's start: both at once.
  const definitions = readManifests(join(CHECKOUT, 'deploy/crds'));
  const mesh = readManifests(join(CHECKOUT, 'deploy/base'));
  // Mixer's own objects go through Galley's webhook, so they come after it.
  const policy = readManifests(join(CHECKOUT, 'deploy/mixer-defaults.yaml'));
  const client = await starting;
  progress.done('API server');
  const waiting: Waiting = { client, directory, progress, signal };
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
  await untilNode(waiting, () => supervisor.nodeRun());
  const meshReady = untilDeployed(waiting, components);
  // Its failure is thrown where it is awaited, also when the injector's comes first.
  meshReady.catch(() => undefined);
  if (options.demo === true) {
    // A pod made before the injector answers would have no sidecar.
    const injector = untilInjector(waiting);
    await Promise.race([injector, meshReady.then(() => injector)]);
    progress.done('sidecar injector');
    await applyAll(client, [...bookinfo.filter(workloads), ...gateway], retry);
  }
  await meshReady;
  await applyAll(client, policy, retry);
  const capture = supervisor.captureMode();
  progress.line(`  ${capture?.why ?? 'capture mode unknown'}`);
  const url = `http://127.0.0.1:${gatewayPort}/productpage`;
  if (options.demo === true) {
    await untilDeployed(
      waiting,
      bookinfo.filter((object) => object.kind === 'Deployment'),
    );
    await untilPage(waiting, url);
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

/** Ctrl-C and its kin, or a reader of our output that went away. While things are being stopped, both are heard and wait. */
function askedToStop(stop: AbortController, progress: Progress): Promise<void> {
  return new Promise((done) => {
    const ask = () => {
      stop.abort();
      done();
    };
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (stop.signal.aborted) progress.line('still stopping…');
        ask();
      });
    }
    for (const stream of [process.stdout, process.stderr]) {
      // The program's own listener ends the process at once, and would leave the mesh running.
      stream.removeAllListeners('error');
      stream.on('error', ask);
    }
  });
}
