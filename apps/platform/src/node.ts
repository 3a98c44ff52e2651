import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom, XebecError } from '@xebec/core';
import type { DaemonSpec } from '@xebec/daemon';
import {
  createImageMap,
  KubeClient,
  LoopbackNetwork,
  NetnsNetwork,
  type NetworkProvider,
  NodeAgent,
  probeNetns,
  readKubeconfig,
  upstreamNameServer,
} from '@xebec/local';

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));

const KUBECONFIG_WAIT_MS = 15_000;

/** `xebec-node`: the kubelet and kube-proxy of this machine. */
export const nodeSpec: DaemonSpec = {
  name: 'xebec-node',
  summary: 'Runs the pods of the embedded platform as processes of this machine.',
  defaultHttpAddr: '127.0.0.1:10248',
  options: [
    { flags: '--kubeconfig <file>', description: 'how to reach the API server', default: '.xebec/kubeconfig' },
    { flags: '--state-dir <directory>', description: 'state, volumes and logs of pods', default: '.xebec/node' },
    {
      flags: '--kubelet-socket <file>',
      description: 'Unix socket for logs, exec and port connections',
      default: '.xebec/run/kubelet.sock',
    },
    { flags: '--node-name <name>', description: 'name of the Node object', default: 'xebec-node' },
    { flags: '--capture <mode>', description: 'netns, loopback, or auto for the best that works', default: 'auto' },
    { flags: '--gateway-ports <list>', description: 'host port for each LoadBalancer port', default: '80=8080,443=8443,31400=31400' },
    { flags: '--gateway-addr <ip>', description: 'where LoadBalancer ports listen', default: '127.0.0.1' },
    { flags: '--image <map>', description: 'more images: REPOSITORY=COMMAND ARG…, separated by semicolons', default: '' },
    {
      flags: '--upstream-dns <ip>',
      description: 'name server for other names; default: the first of /etc/resolv.conf, "none" refuses them',
    },
  ],
  async start({ options, logger, health }) {
    const kubeconfig = resolve(options['kubeconfig'] ?? '');
    await untilExists(kubeconfig);
    const directory = resolve(options['stateDir'] ?? '');
    mkdirSync(directory, { recursive: true });
    const network = await chooseNetwork(options['capture'] ?? 'auto', directory, (mode, why) => logger.info({ mode }, why));
    const preload = fileURLToPath(new URL('./pod-preload.mjs', import.meta.url));
    const upstream = options['upstreamDns'] ?? upstreamNameServer();
    const agent = new NodeAgent({
      client: new KubeClient(readKubeconfig(kubeconfig)),
      nodeName: options['nodeName'] ?? 'xebec-node',
      directory: join(directory, 'pods'),
      kubeletSocket: resolve(options['kubeletSocket'] ?? ''),
      network,
      images: createImageMap(CHECKOUT, process.execPath, parseImages(options['image'] ?? '')),
      gatewayPorts: parsePorts(options['gatewayPorts'] ?? ''),
      gatewayAddress: options['gatewayAddr'] ?? '127.0.0.1',
      ...(upstream === undefined || upstream === 'none' ? {} : { upstreamDns: upstream }),
      relayCommand: [process.execPath, join(CHECKOUT, 'apps/platform/bin/xebec-relay.ts')],
      extraEnvironment: {
        NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${preload}`,
        ...(process.env['NODE_COMPILE_CACHE'] === undefined ? {} : { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }),
        ...(network instanceof LoopbackNetwork ? { XEBEC_HOSTS_FILE: network.hostsFile } : {}),
      },
      clock: systemClock,
      random: systemRandom,
      logger,
    });
    health.addReadiness('node', () => (agent.synced ? undefined : 'not registered with the API server yet'));
    await agent.start();
    return { close: () => agent.close() };
  },
};

/** The API server writes the kubeconfig when it first listens; both are started at once. */
async function untilExists(kubeconfig: string): Promise<void> {
  const end = systemClock.monotonic() + KUBECONFIG_WAIT_MS;
  while (!existsSync(kubeconfig)) {
    if (systemClock.monotonic() > end)
      throw new XebecError('E_KUBECONFIG', `--kubeconfig ${kubeconfig} does not exist; start xebec-apiserver first`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

async function chooseNetwork(mode: string, directory: string, say: (mode: string, why: string) => void): Promise<NetworkProvider> {
  if (!['auto', 'netns', 'loopback'].includes(mode))
    throw new XebecError('E_FLAG', `--capture wants auto, netns or loopback, but got "${mode}"`);
  const loopback = () => new LoopbackNetwork(join(directory, 'hosts.json'));
  if (mode === 'loopback') {
    say('loopback', 'capture mode loopback, as --capture asks');
    return loopback();
  }
  const probe = await probeNetns();
  if ('restore' in probe) {
    say('netns', `capture mode netns: a network namespace per pod, rules by ${probe.restore}`);
    return new NetnsNetwork(probe.restore, directory);
  }
  if (mode === 'netns') throw new XebecError('E_FLAG', `--capture netns does not work here: ${probe.reason}`);
  say('loopback', `capture mode loopback, because ${probe.reason}`);
  return loopback();
}

/** `80=8080,443=8443` → service port to host port; `15021=off` leaves one out. */
function parsePorts(text: string): Map<number, number> {
  const out = new Map<number, number>();
  for (const item of text.split(',').filter((part) => part.trim() !== '')) {
    const match = /^\s*(\d{1,5})=(\d{1,5}|off)\s*$/.exec(item);
    if (match === null)
      throw new XebecError('E_FLAG', `--gateway-ports wants SERVICE_PORT=HOST_PORT pairs, such as 80=8080, but got "${item}"`);
    if (match[2] !== 'off') out.set(Number(match[1]), Number(match[2]));
  }
  return out;
}

function parseImages(text: string): Record<string, string[]> {
  const out: Record<string, string[]> = {};
  for (const item of text.split(';').filter((part) => part.trim() !== '')) {
    const at = item.indexOf('=');
    if (at <= 0) throw new XebecError('E_FLAG', `--image wants REPOSITORY=COMMAND, but got "${item}"`);
    out[item.slice(0, at).trim()] = item
      .slice(at + 1)
      .trim()
      .split(/\s+/);
  }
  return out;
}
