import { chmodSync, chownSync, constants, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { application, inside, root, runInside, type User } from '../iptables/namespaces.ts';
import { type ApiServer, createApiServer } from '../kubernetes-platform/api-server.ts';
import { eventually, freePort, type RunningProcess, startDaemon, startProcess } from '../src/daemon-process.ts';
import { type CodeGuard, withoutGuards } from './guards.ts';
import { createPodNetworks, type PodNetworks, PROXY_USER } from './pod-network.ts';

const PROXY = join(import.meta.dirname, '../../apps/proxy/bin/xebec-proxy.ts');
const GATEWAY = join(import.meta.dirname, '../../apps/gateway/bin/xebec-gateway.ts');
const APP = join(import.meta.dirname, 'echo-app.ts');
const ADMIN = 15_000;

export interface PodSpec {
  readonly name: string;
  readonly namespace: string;
  readonly account: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly role: 'sidecar' | 'router';
  /** Ports of the echoing application beside the proxy. */
  readonly ports: readonly number[];
  /** A stock Envoy behind our agent. */
  readonly envoy?: string;
  /** Ports that the capture rules leave out. */
  readonly uncaptured?: readonly number[];
  readonly without?: readonly CodeGuard[];
  readonly proxyConfig?: object;
}

export interface Pod {
  readonly name: string;
  readonly address: string;
  readonly directory: string;
  readonly proxy: RunningProcess;
  /** Runs a program in the pod's network, as the application unless told otherwise. */
  run(command: readonly string[], user?: User): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
  admin(path: string): Promise<string>;
}

/** A mesh of real processes: API server, citadel and pilot on this machine, pods in network namespaces. */
export interface Mesh {
  readonly api: ApiServer;
  readonly host: string;
  readonly ports: { readonly citadel: number; readonly xds: number; readonly plainXds: number; readonly pilotHttp: number };
  readonly rootFile: string;
  readonly directory: string;
  startPod(spec: PodSpec): Promise<Pod>;
  stopPod(pod: Pod): Promise<void>;
  /** A token of a service account, which is made if it is not there. */
  token(namespace: string, account: string, audience?: string): Promise<string>;
  apply(...objects: readonly object[]): Promise<void>;
  remove(kind: string, namespace: string, name: string): Promise<void>;
  /** MeshConfig over the suite's own. */
  meshConfig(more: object): Promise<void>;
  /** One more pilot or citadel beside the mesh's own; resolves when it is ready. */
  startBeside(
    daemon: 'pilot' | 'citadel',
    env: NodeJS.ProcessEnv,
    flags?: readonly string[],
  ): Promise<{ readonly grpc: number; readonly http: number }>;
  output(): string;
  close(): Promise<void>;
}

/** A copy of a program that the proxies' user may run: the original may lie in somebody's home. */
function executable(file: string, directory: string): string {
  const copy = join(directory, 'envoy');
  if (!existsSync(copy)) copyFileSync(file, copy, constants.COPYFILE_FICLONE);
  chmodSync(copy, 0o755);
  return copy;
}

export const control = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

export async function startMesh(): Promise<Mesh> {
  const directory = mkdtempSync(join(tmpdir(), 'xebec-mesh-'));
  chmodSync(directory, 0o755);
  const closers: (() => Promise<unknown> | unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const networks = await createPodNetworks();
    closers.push(() => networks.remove());
    const api = createApiServer();
    closers.push(() => api.close());
    await api.start();
    let last: Promise<void> = Promise.resolve();
    // One at a time: manifests travel through one file.
    const apply = (manifests: readonly object[]) => {
      last = last.catch(() => undefined).then(() => api.apply(manifests));
      return last;
    };
    return { ...(await startControlPlane({ ...api, apply }, networks, directory, closers)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startControlPlane(
  api: ApiServer,
  networks: PodNetworks,
  directory: string,
  closers: (() => Promise<unknown> | unknown)[],
): Promise<Omit<Mesh, 'close'>> {
  const { host } = networks;
  const ports = { citadel: await freePort(), xds: await freePort(), plainXds: await freePort(), pilotHttp: await freePort() };
  const rootFile = join(directory, 'root-cert.pem');
  const accounts = new Set<string>();
  const token = async (namespace: string, account: string, audience = 'istio-ca') => {
    const key = `${namespace}/${account}`;
    if (!accounts.has(key)) {
      await api.apply([{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account, namespace } }]);
      accounts.add(key);
    }
    return (await api.kubectl('create', 'token', account, '-n', namespace, `--audience=${audience}`)).trim();
  };
  const meshConfig = async (more: object) => {
    const mesh = { trustDomain: 'cluster.local', enableAutoMtls: true, ...more };
    await api.apply([
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh: JSON.stringify(mesh) } },
    ]);
  };
  await api.kubectl('apply', '-f', join(import.meta.dirname, '../../deploy/crds'));
  await api.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s');
  await api.apply([control('istio-system'), control('shop'), control('other')]);
  await meshConfig({});
  const citadelHttp = await freePort();
  const citadelFlags = (grpc: number, http: number) => [
    ...[
      '--kubeconfig',
      api.kubeconfig,
      '--grpc-addr',
      `${host}:${grpc}`,
      '--http-addr',
      `${host}:${http}`,
      '--root-key-type',
      'ecdsa-p256',
    ],
  ];
  const citadel = startDaemon('citadel', citadelFlags(ports.citadel, citadelHttp));
  closers.push(() => citadel.stop('SIGKILL'));
  await eventually(
    'the root of the mesh',
    async () => {
      const text = await api.kubectl(
        'get',
        'configmap',
        'istio-ca-root-cert',
        '-n',
        'istio-system',
        '-o',
        'jsonpath={.data.root-cert\\.pem}',
      );
      if (!text.includes('BEGIN CERTIFICATE')) return undefined;
      writeFileSync(rootFile, text);
      return true;
    },
    60_000,
  ).catch((cause) => {
    throw new Error(citadel.output(), { cause });
  });
  const tokenFile = join(directory, 'pilot-token');
  writeFileSync(tokenFile, await token('istio-system', 'istio-pilot-service-account'), { mode: 0o600 });
  const pilotFlags = (plain: number, secure: number, http: number) => [
    ...['--kubeconfig', api.kubeconfig, '--grpc-addr', `${host}:${plain}`, '--secure-grpc-addr', `${host}:${secure}`],
    ...['--http-addr', `${host}:${http}`, '--ca-addr', `${host}:${ports.citadel}`],
    ...['--ca-token-file', tokenFile, '--ca-root-file', rootFile],
  ];
  const pilot = startDaemon('pilot', pilotFlags(ports.plainXds, ports.xds, ports.pilotHttp));
  closers.push(() => pilot.stop('SIGKILL'));
  await eventually('pilot', async () => ((await fetch(`http://${host}:${ports.pilotHttp}/readyz`)).ok ? true : undefined), 30_000).catch(
    (cause) => {
      throw new Error(pilot.output(), { cause });
    },
  );
  const startBeside: Mesh['startBeside'] = async (daemon, env, flags = []) => {
    const [grpc, plain, http] = [await freePort(), await freePort(), await freePort()];
    const own = daemon === 'pilot' ? pilotFlags(plain, grpc, http) : citadelFlags(grpc, http);
    const process = startDaemon(daemon, [...own, ...flags], env);
    closers.push(() => process.stop('SIGKILL'));
    const ready = async () => ((await fetch(`http://${host}:${http}/readyz`)).ok ? true : undefined);
    await eventually(`another ${daemon}`, ready, 60_000).catch((cause) => {
      throw new Error(process.output(), { cause });
    });
    return { grpc, http };
  };
  const running = new Map<Pod, RunningProcess[]>();
  closers.push(async () => {
    for (const processes of running.values()) for (const each of processes) await each.stop('SIGKILL');
  });

  const startPod = async (spec: PodSpec): Promise<Pod> => {
    const { name, namespace, account, labels, role } = spec;
    const network = await networks.add(name);
    const home = join(directory, name);
    for (const below of [
      'var/run/secrets/tokens',
      'var/run/secrets/istio',
      'var/run/secrets/workload-spiffe-uds',
      'etc/istio/pod',
      'etc/istio/proxy',
    ])
      mkdirSync(join(home, below), { recursive: true });
    writeFileSync(join(home, 'var/run/secrets/tokens/istio-token'), await token(namespace, account));
    writeFileSync(join(home, 'var/run/secrets/istio/root-cert.pem'), await readRoot(rootFile));
    const lines = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    writeFileSync(join(home, 'etc/istio/pod/labels'), lines.join('\n'));
    for (const below of ['', 'etc/istio/proxy', 'var/run/secrets/workload-spiffe-uds'])
      chownSync(join(home, below), PROXY_USER.uid, PROXY_USER.gid);
    await api.apply([
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace, labels: { ...labels, 'security.istio.io/tlsMode': 'istio' } },
        spec: { serviceAccountName: account, nodeName: 'paper', containers: [{ name: 'app', image: 'none' }] },
        status: {
          phase: 'Running',
          podIP: network.address,
          podIPs: [{ ip: network.address }],
          conditions: [{ type: 'Ready', status: 'True' }],
        },
      },
    ]);
    const processes: RunningProcess[] = [];
    const spawn = (user: User, command: readonly string[], env: NodeJS.ProcessEnv = {}) => {
      const [program = '', ...args] = inside(network.namespace, user, command);
      const started = startProcess(program, args, { env, cwd: home });
      processes.push(started);
      return started;
    };
    if (spec.ports.length > 0) spawn(application, [process.execPath, APP, name, ...spec.ports.map(String)]);
    if (role === 'sidecar') {
      const excluded = [15_090, 15_021, 15_020, ...(spec.uncaptured ?? [])].join();
      const flags = ['-u', String(PROXY_USER.uid), '-g', String(PROXY_USER.gid), '-d', excluded];
      const done = await runInside(network.namespace, root, [process.execPath, PROXY, 'istio-iptables', ...flags]);
      if (done.code !== 0) throw new Error(done.stderr);
    }
    const env = {
      ...(spec.without === undefined ? {} : withoutGuards(spec.without)),
      CA_ADDR: `${host}:${ports.citadel}`,
      PROXY_CONFIG: JSON.stringify({ discoveryAddress: `${host}:${ports.xds}`, ...spec.proxyConfig }),
      POD_NAME: name,
      POD_NAMESPACE: namespace,
      INSTANCE_IP: network.address,
      SERVICE_ACCOUNT: account,
      ISTIO_META_CLUSTER_ID: 'Kubernetes',
      ISTIO_META_INTERCEPTION_MODE: 'REDIRECT',
      ...(role === 'router' ? { ISTIO_META_UNPRIVILEGED_POD: 'true' } : {}),
    };
    const program = role === 'router' ? GATEWAY : PROXY;
    const words = role === 'router' ? ['proxy', 'router'] : ['sidecar'];
    const stock = spec.envoy === undefined ? [] : ['--envoy', executable(spec.envoy, directory)];
    const proxy = spawn(PROXY_USER, [process.execPath, program, ...words, '--proxyLogLevel', 'warn', ...stock], env);
    const run = async (command: readonly string[], user: User = application) => await runInside(network.namespace, user, command);
    const admin = async (path: string) => (await run(['curl', '-s', `http://127.0.0.1:${ADMIN}${path}`], PROXY_USER)).stdout;
    const pod: Pod = { name, address: network.address, directory: home, proxy, run, admin };
    running.set(pod, processes);
    await eventually(
      `${name} to be ready`,
      async () => {
        if (proxy.child.exitCode !== null) throw new Error(proxy.output());
        return (await run(['curl', '-sf', 'http://127.0.0.1:15021/healthz/ready'], PROXY_USER)).code === 0 ? true : undefined;
      },
      60_000,
    ).catch((cause) => {
      throw new Error(`${proxy.output()}\n${pilot.output().slice(-3_000)}`, { cause });
    });
    return pod;
  };

  return {
    api,
    host,
    ports,
    rootFile,
    directory,
    startPod,
    stopPod: async (pod) => {
      for (const each of running.get(pod) ?? []) await each.stop('SIGKILL');
      running.delete(pod);
    },
    token,
    apply: async (...objects) => await api.apply(objects),
    remove: async (kind, namespace, name) => void (await api.kubectl('delete', kind, name, '-n', namespace, '--ignore-not-found')),
    meshConfig,
    startBeside,
    output: () => `${citadel.output().slice(-5_000)}\n${pilot.output().slice(-5_000)}`,
  };
}

async function readRoot(file: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return await readFile(file, 'utf8');
}
