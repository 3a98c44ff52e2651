import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, freePort, type RunningProcess, requiredPeer, startProcess } from '../src/daemon-process.ts';

const EMBEDDED = new URL('../../apps/platform/bin/xebec-apiserver.ts', import.meta.url).pathname;
const TOKEN = 'platform-suite';
const run = promisify(execFile);

/** An API server that a test may kill and start again with what it had stored. */
export interface ApiServer {
  readonly kubeconfig: string;
  start(): Promise<void>;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** Applies manifests; the status of Pods and Services goes to the subresource, as the API wants it. */
  apply(manifests: readonly object[]): Promise<void>;
  kubectl(...args: string[]): Promise<string>;
  close(): Promise<void>;
}

/** The embedded server, or the real one with an etcd of its own where KUBE_APISERVER (and ETCD) name binaries. */
export function createApiServer(): ApiServer {
  const directory = mkdtempSync(join(tmpdir(), 'xebec-platform-'));
  const real = process.env['KUBE_APISERVER'] ?? '';
  const server = real === '' ? embedded(directory) : kubeApiServer(directory, real);
  const kubectl = async (...args: string[]) =>
    (await run('kubectl', ['--kubeconfig', server.kubeconfig, ...args], { timeout: 30_000 })).stdout;
  const apply = async (manifests: readonly object[]) => {
    const file = join(directory, 'manifests.json');
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests }));
    await kubectl('apply', '-f', file);
    for (const manifest of manifests) {
      if (!('status' in manifest) || !('kind' in manifest) || !('metadata' in manifest)) continue;
      const { name, namespace = 'default' } = manifest.metadata as { name: string; namespace?: string };
      const patch = JSON.stringify({ status: manifest.status });
      await kubectl('patch', String(manifest.kind), name, '-n', namespace, '--subresource=status', '--type=merge', '-p', patch);
    }
  };
  return {
    kubeconfig: server.kubeconfig,
    start: async () => {
      await server.start();
      await eventually('the API server', async () => ((await kubectl('get', '--raw', '/readyz')) === 'ok' ? true : undefined), 60_000);
    },
    kill: () => server.kill(),
    apply,
    kubectl,
    close: async () => {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

type Server = Pick<ApiServer, 'kubeconfig' | 'start' | 'kill' | 'close'>;

function embedded(directory: string): Server {
  const data = join(directory, 'data');
  let port = 0;
  let child: RunningProcess | undefined;
  const kill = async () => {
    await child?.stop('SIGKILL');
    child = undefined;
  };
  return {
    kubeconfig: join(data, 'kubeconfig'),
    start: async () => {
      port ||= await freePort();
      const kubelet = join(directory, 'k.sock');
      const args = ['--data-dir', data, '--secure-addr', `127.0.0.1:${port}`, '--http-addr', '127.0.0.1:0', '--kubelet-socket', kubelet];
      child = startProcess(process.execPath, [EMBEDDED, ...args], { env: { XEBEC_LOG_LEVEL: 'warn' } });
    },
    kill,
    close: kill,
  };
}

function kubeApiServer(directory: string, binary: string): Server {
  const kubeconfig = join(directory, 'kubeconfig');
  let ports: { api: number; etcd: number; peer: number } | undefined;
  let etcd: RunningProcess | undefined;
  let child: RunningProcess | undefined;
  const prepare = async () => {
    ports = { api: await freePort(), etcd: await freePort(), peer: await freePort() };
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(join(directory, 'accounts.pem'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
    writeFileSync(join(directory, 'tokens.csv'), `${TOKEN},admin,admin,"system:masters"\n`, { mode: 0o600 });
    const server = `https://127.0.0.1:${ports.api}`;
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'real', cluster: { server, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'admin', user: { token: TOKEN } }],
      contexts: [{ name: 'real', context: { cluster: 'real', user: 'admin' } }],
      'current-context': 'real',
    };
    writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });
    const client = `http://127.0.0.1:${ports.etcd}`;
    const peer = `http://127.0.0.1:${ports.peer}`;
    const etcdArgs = ['--data-dir', join(directory, 'etcd'), '--listen-client-urls', client, '--advertise-client-urls', client];
    etcd = startProcess(requiredPeer('ETCD'), [
      ...etcdArgs,
      '--listen-peer-urls',
      peer,
      '--initial-advertise-peer-urls',
      peer,
      '--initial-cluster',
      `default=${peer}`,
    ]);
    return ports;
  };
  const kill = async () => {
    await child?.stop('SIGKILL');
    child = undefined;
  };
  return {
    kubeconfig,
    start: async () => {
      const { api, etcd: store } = ports ?? (await prepare());
      const accounts = join(directory, 'accounts.pem');
      child = startProcess(binary, [
        `--etcd-servers=http://127.0.0.1:${store}`,
        '--bind-address=127.0.0.1',
        `--secure-port=${api}`,
        `--cert-dir=${join(directory, 'certs')}`,
        '--service-cluster-ip-range=10.96.0.0/16',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${accounts}`,
        `--service-account-signing-key-file=${accounts}`,
        `--token-auth-file=${join(directory, 'tokens.csv')}`,
        '--authorization-mode=RBAC',
        // No controllers run beside it: nothing would make the accounts that this plug-in asks for.
        '--disable-admission-plugins=ServiceAccount,TaintNodesByCondition',
      ]);
    },
    kill,
    close: async () => {
      await kill();
      await etcd?.stop('SIGKILL');
    },
  };
}
