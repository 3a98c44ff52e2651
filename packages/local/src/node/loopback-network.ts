import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { ForwardProxy } from './forward-proxy.ts';
import { addressAt, type NetworkProvider, type PodNetwork, type ServicePortView, type ServiceView, servicePorts } from './network.ts';

/** Where pods without sidecar find the proxy that knows the names of the cluster. */
const PROXY_ADDRESS = '127.22.0.1';
const PROXY_PORT = 15_080;

/** `http_proxy` of a pod without sidecar. */
export function plainProxyUrl(namespace: string): string {
  return `http://${namespace}@${PROXY_ADDRESS}:${PROXY_PORT}`;
}

/** Ports that a pod's proxy or daemon has for those inside the pod, where they are asked for at 127.0.0.1. */
const OWN_PORTS = [15_000, 15_014, 15_020, 15_021, 15_090];

/** Where a pod's curl reads its settings. */
export function curlHome(podDirectory: string): string {
  return join(podDirectory, 'curl');
}

/** `kubectl exec POD -c istio-proxy -- curl localhost:15000/…` means the pod's own proxy, and 127.0.0.1 is the machine's here. */
function writeCurlSettings(podDirectory: string, podIp: string): void {
  mkdirSync(curlHome(podDirectory), { recursive: true });
  const lines = ['127.0.0.1', 'localhost'].flatMap((host) => OWN_PORTS.map((port) => `connect-to = "${host}:${port}:${podIp}:${port}"\n`));
  writeFileSync(join(curlHome(podDirectory), '.curlrc'), lines.join(''));
}

/**
 * Loopback addresses instead of namespaces: others connect to 127.20.x.y, the application listens on 127.21.x.y behind its
 * sidecar. Services get 127.22.x.y and a relay per port; `hostsFile` tells processes their names, as there is no DNS of their own.
 */
export class LoopbackNetwork implements NetworkProvider {
  readonly mode = 'loopback';
  readonly hostIp = '127.0.0.1';
  readonly hostsFile: string;
  readonly #addresses = new Map<string, string>();
  readonly #proxy = new ForwardProxy((name, namespace) => this.#find(name, namespace));
  #hosts: Readonly<Record<string, string>> = {};
  readonly #relays = new Map<string, { server: Server; view: ServicePortView; next: number }>();

  constructor(hostsFile: string) {
    this.hostsFile = hostsFile;
  }
  async setUp(): Promise<void> {
    mkdirSync(dirname(this.hostsFile), { recursive: true });
    writeFileSync(this.hostsFile, '{}');
    await this.#proxy.listen(PROXY_PORT, PROXY_ADDRESS);
  }
  async attach(
    _podKey: string,
    options: { readonly sidecar: boolean; readonly index: number; readonly directory: string },
  ): Promise<PodNetwork> {
    const podIp = addressAt('127.20', options.index);
    writeCurlSettings(options.directory, podIp);
    return { podIp, appIp: options.sidecar ? addressAt('127.21', options.index) : podIp };
  }
  async applyCapture(): Promise<void> {
    // Nothing to capture with: the sidecar is an explicit proxy.
  }
  isAttached(): boolean {
    return true;
  }
  async detach(): Promise<void> {
    // Addresses of 127.0.0.0/8 need no release.
  }
  enter(): readonly string[] {
    return [];
  }

  /** The address that stands for a service; stable while the agent runs. */
  serviceAddress(namespace: string, name: string): string {
    const key = `${namespace}/${name}`;
    let address = this.#addresses.get(key);
    if (address === undefined) {
      address = addressAt('127.22', this.#addresses.size + 2);
      this.#addresses.set(key, address);
    }
    return address;
  }

  async updateServices(view: ServiceView): Promise<void> {
    const hosts: Record<string, string> = {};
    const wanted = new Set<string>();
    for (const port of servicePorts(view)) {
      const address = this.serviceAddress(port.namespace, port.name);
      hosts[`${port.name}.${port.namespace}.svc.cluster.local`] = address;
      if (port.protocol !== 'TCP') continue;
      const key = `${address}:${port.port}`;
      wanted.add(key);
      const relay = this.#relays.get(key);
      if (relay === undefined) this.#listen(key, address, port);
      else relay.view = port;
    }
    for (const [key, relay] of this.#relays) {
      if (wanted.has(key)) continue;
      relay.server.close();
      this.#relays.delete(key);
    }
    this.#hosts = hosts;
    // Replaced at once: pods read it at any time.
    writeFileSync(`${this.hostsFile}.new`, JSON.stringify(hosts));
    renameSync(`${this.hostsFile}.new`, this.hostsFile);
  }

  /** A name as the resolver of a pod of `namespace` would complete it. */
  #find(name: string, namespace: string): string | undefined {
    const suffixes = ['', '.cluster.local', '.svc.cluster.local', `.${namespace}.svc.cluster.local`];
    return suffixes.map((suffix) => this.#hosts[name.replace(/\.$/, '') + suffix]).find((address) => address !== undefined);
  }

  #listen(key: string, address: string, view: ServicePortView): void {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      client.on('error', () => undefined);
      const relay = this.#relays.get(key);
      const backend = relay?.view.backends[relay.next++ % Math.max(1, relay.view.backends.length)];
      if (backend === undefined) {
        client.destroy();
        return;
      }
      const upstream = connect({ host: backend.address, port: backend.port, allowHalfOpen: true });
      upstream.once('error', () => client.destroy());
      client.once('close', () => upstream.destroy());
      client.pipe(upstream);
      upstream.pipe(client);
    });
    server.on('error', () => this.#relays.delete(key));
    this.#relays.set(key, { server, view, next: 0 });
    server.listen(view.port, address);
  }

  async tearDown(): Promise<void> {
    this.#proxy.close();
    for (const { server } of this.#relays.values()) server.close();
    this.#relays.clear();
  }
}
