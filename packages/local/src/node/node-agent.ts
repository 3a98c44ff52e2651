import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { V1ConfigMap, V1Container, V1EndpointSlice, V1Pod, V1Secret, V1Service } from '@kubernetes/client-node';
import { type Clock, Debounce, errorText, type Logger, type Random } from '@xebec/core';
import { PROXY_CONTAINER } from '@xebec/injection';
import { ClusterNames, DnsServer } from './dns-server.ts';
import { serviceEnvironment } from './environment.ts';
import { EventRecorder } from './event-recorder.ts';
import { GatewayRelay, isLoadBalancer } from './gateway-relay.ts';
import type { ImageMap } from './images.ts';
import { type KubeClient, KubeError } from './kube-client.ts';
import { KubeletApi } from './kubelet-api.ts';
import { curlHome, plainProxyUrl } from './loopback-network.ts';
import type { NetworkProvider, PodNetwork, ServiceView } from './network.ts';
import { NodeHeartbeat } from './node-heartbeat.ts';
import { type PodState, readPodState } from './pod-state.ts';
import { type NodeServices, PodWorker } from './pod-worker.ts';
import { signalProcess } from './processes.ts';
import { Reflector } from './reflector.ts';

export interface NodeAgentOptions {
  readonly client: KubeClient;
  readonly nodeName: string;
  /** State of pods: survives the agent. */
  readonly directory: string;
  readonly kubeletSocket: string;
  readonly network: NetworkProvider;
  readonly images: ImageMap;
  /** Service port to host port for LoadBalancer services. */
  readonly gatewayPorts: ReadonlyMap<number, number>;
  readonly gatewayAddress: string;
  readonly upstreamDns?: string;
  /** The command that joins standard streams to `127.0.0.1:port`, to be completed by host and port. */
  readonly relayCommand: readonly string[];
  /** Added to every container's environment. */
  readonly extraEnvironment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const API_PORT = 6443;
/** Its components find each other by the hosts file, and their calls are not HTTP/1. */
const MESH_NAMESPACE = 'istio-system';
/** Every host: grpc-js compares the ends of names, and each name ends with the empty entry. */
const GRPC_WITHOUT_PROXY = '*,';
const SERVICE_QUIET_MS = 30;
const SERVICE_MAX_MS = 250;
const FIRST_POD_INDEX = 10;
const LAST_POD_INDEX = 65_000;

/** The kubelet and kube-proxy of a machine: pods bound to `nodeName` run as processes here. */
export class NodeAgent {
  readonly #options: NodeAgentOptions;
  readonly #workers = new Map<string, PodWorker>();
  readonly #pods: Reflector<V1Pod>;
  readonly #services: Reflector<V1Service>;
  readonly #slices: Reflector<V1EndpointSlice>;
  readonly #configMaps: Reflector<V1ConfigMap>;
  readonly #secrets: Reflector<V1Secret>;
  readonly #dns: DnsServer;
  readonly #gateways: GatewayRelay;
  readonly #kubelet: KubeletApi;
  readonly #serviceUpdate: Debounce;
  readonly #heartbeat: NodeHeartbeat;
  readonly #events: EventRecorder;
  readonly #nodeServices: NodeServices;
  readonly #orphans = new Map<string, { readonly state: PodState; readonly directory: string }>();
  #apiRelay: Server | undefined;
  #updating = Promise.resolve();
  #announced = false;

  constructor(options: NodeAgentOptions) {
    this.#options = options;
    const { client, clock, random, logger } = options;
    const reflector = <T extends object>(path: string, onChange: () => void, query?: string) =>
      new Reflector<T>({ client, path, clock, random, logger, onChange, ...(query === undefined ? {} : { query }) });
    const servicesChanged = () => this.#serviceUpdate.trigger();
    this.#pods = reflector<V1Pod>('/api/v1/pods', () => this.#syncPods(), `fieldSelector=spec.nodeName%3D${options.nodeName}`);
    this.#services = reflector<V1Service>('/api/v1/services', servicesChanged);
    this.#slices = reflector<V1EndpointSlice>('/apis/discovery.k8s.io/v1/endpointslices', servicesChanged);
    this.#configMaps = reflector<V1ConfigMap>('/api/v1/configmaps', () => undefined);
    this.#secrets = reflector<V1Secret>('/api/v1/secrets', () => undefined);
    this.#serviceUpdate = new Debounce({ quietMs: SERVICE_QUIET_MS, maxMs: SERVICE_MAX_MS }, clock, () => this.#updateServices());
    this.#dns = new DnsServer(options.upstreamDns);
    this.#gateways = new GatewayRelay(options.gatewayPorts, options.gatewayAddress, logger);
    this.#kubelet = new KubeletApi({
      find: (namespace, name) => this.#find(namespace, name),
      relayCommand: (worker, port) => this.#relayCommand(worker, port),
    });
    this.#heartbeat = new NodeHeartbeat({
      client,
      nodeName: options.nodeName,
      address: options.network.hostIp,
      mode: options.network.mode,
      clock,
      logger,
    });
    this.#events = new EventRecorder({ client, clock, logger, nodeName: options.nodeName });
    this.#nodeServices = this.#createNodeServices();
  }

  async start(): Promise<void> {
    const { network, directory, kubeletSocket } = this.#options;
    mkdirSync(directory, { recursive: true });
    await network.setUp();
    for (const uid of readdirSync(directory)) {
      const state = readPodState(join(directory, uid));
      if (state !== undefined) this.#orphans.set(uid, { state, directory: join(directory, uid) });
    }
    await this.#kubelet.listen(kubeletSocket);
    if (network.mode === 'netns') {
      await this.#dns.listen(network.hostIp);
      await this.#relayApiServer();
    }
    for (const reflector of [this.#services, this.#slices, this.#configMaps, this.#secrets, this.#pods]) reflector.start();
    this.#heartbeat.start();
  }

  get synced(): boolean {
    return this.#pods.synced && this.#services.synced && this.#heartbeat.registered;
  }

  /** Stops the agent; the pods stay. */
  async close(): Promise<void> {
    this.#heartbeat.close();
    for (const reflector of [this.#pods, this.#services, this.#slices, this.#configMaps, this.#secrets]) reflector.close();
    for (const worker of this.#workers.values()) worker.close();
    this.#serviceUpdate.close();
    this.#kubelet.close();
    this.#gateways.close();
    this.#dns.close();
    this.#apiRelay?.close();
    this.#options.client.close();
  }

  /** Ends every pod of the node and removes the network: for `xebec down`. */
  async stopPods(graceSeconds: number): Promise<void> {
    this.#pods.close();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop(graceSeconds, false)));
    await this.#options.network.tearDown();
  }

  #view(): ServiceView {
    return { services: [...this.#services.items.values()], slices: [...this.#slices.items.values()] };
  }

  #syncPods(): void {
    // Without the other lists a pod would start with an environment that lacks its services.
    if (![this.#pods, this.#services, this.#configMaps, this.#secrets].every((reflector) => reflector.synced)) {
      this.#options.clock.setTimeout(() => this.#syncPods(), 5);
      return;
    }
    const seen = new Set<string>();
    for (const pod of this.#pods.items.values()) {
      const uid = pod.metadata?.uid ?? '';
      seen.add(uid);
      const worker = this.#workers.get(uid);
      if (worker !== undefined) worker.update(pod);
      else this.#startWorker(uid, pod);
    }
    for (const [uid, worker] of this.#workers) {
      if (seen.has(uid)) continue;
      void worker.stop(0, false);
      this.#workers.delete(uid);
    }
    for (const [uid, orphan] of this.#orphans) {
      if (!seen.has(uid)) void this.#removeOrphan(orphan);
      this.#orphans.delete(uid);
    }
    if (!this.#announced) {
      this.#announced = true;
      void Promise.all([...this.#workers.values()].map((worker) => worker.firstPublished)).then(() =>
        this.#heartbeat.announceRun(String(process.pid)),
      );
    }
  }

  #startWorker(uid: string, pod: V1Pod): void {
    const adopted = this.#orphans.get(uid);
    this.#orphans.delete(uid);
    const finished = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    const deleted = pod.metadata?.deletionTimestamp !== undefined && pod.metadata.deletionTimestamp !== null;
    if (adopted === undefined && finished && !deleted) return;
    const index = adopted?.state.index ?? this.#freeIndex();
    const state: PodState = adopted?.state ?? {
      uid,
      namespace: pod.metadata?.namespace ?? '',
      name: pod.metadata?.name ?? '',
      index,
      captured: false,
      init: {},
      containers: {},
    };
    const worker = new PodWorker(pod, state, join(this.#options.directory, uid), this.#nodeServices);
    this.#workers.set(uid, worker);
    worker.start();
  }

  #freeIndex(): number {
    const used = new Set([...this.#workers.values()].map((worker) => worker.state.index));
    for (const { state } of this.#orphans.values()) used.add(state.index);
    // Addresses go round, so that a deleted pod's is not given out again at once.
    for (let step = 0; step < LAST_POD_INDEX; step++) {
      this.#lastIndex = this.#lastIndex >= LAST_POD_INDEX ? FIRST_POD_INDEX : this.#lastIndex + 1;
      const low = this.#lastIndex & 255;
      if (low !== 0 && low !== 255 && !used.has(this.#lastIndex)) return this.#lastIndex;
    }
    return FIRST_POD_INDEX;
  }
  #lastIndex = FIRST_POD_INDEX - 1;

  async #removeOrphan({ state, directory }: { readonly state: PodState; readonly directory: string }): Promise<void> {
    for (const container of [...Object.values(state.containers), ...Object.values(state.init)]) {
      if (container.process !== undefined) signalProcess(container.process, 'SIGKILL');
    }
    if (state.network !== undefined) await this.#options.network.detach(state.network);
    rmSync(directory, { recursive: true, force: true });
  }

  #updateServices(): void {
    const view = this.#view();
    this.#dns.names = new ClusterNames(view);
    this.#gateways.update(view);
    // One round at a time; a change during a round starts the next.
    this.#updating = this.#updating
      .then(() => this.#options.network.updateServices(this.#view(), this.#networks()))
      .catch((error: unknown) => this.#options.logger.warn({}, `service rules: ${errorText(error)}`));
    for (const service of view.services) if (isLoadBalancer(service)) void this.#announceAddress(service);
  }

  #networks(): PodNetwork[] {
    // Before the capture rules are in, the jump to the service rules would stand before them.
    return [...this.#workers.values()].flatMap(({ state, stopping }) => (state.network === undefined || stopping ? [] : [state.network]));
  }

  async #announceAddress(service: V1Service): Promise<void> {
    const { gatewayAddress, client, logger } = this.#options;
    if (service.status?.loadBalancer?.ingress?.[0]?.ip === gatewayAddress) return;
    try {
      await client.mergePatch(`/api/v1/namespaces/${service.metadata?.namespace}/services/${service.metadata?.name}/status`, {
        status: { loadBalancer: { ingress: [{ ip: gatewayAddress }] } },
      });
    } catch (error) {
      logger.debug({ service: service.metadata?.name }, errorText(error));
    }
  }

  /** Pods reach the API server at the bridge address; the server itself listens on the machine's loopback only. */
  async #relayApiServer(): Promise<void> {
    const { server } = this.#options.client.connection;
    const relay = createServer((client) => {
      const upstream = connect({ host: server.hostname, port: Number(server.port) });
      client.on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
      client.once('close', () => upstream.destroy());
      upstream.once('close', () => client.destroy());
      client.pipe(upstream);
      upstream.pipe(client);
    });
    this.#apiRelay = relay;
    await new Promise<void>((resolve, reject) => {
      relay.once('error', reject);
      relay.listen(API_PORT, this.#options.network.hostIp, resolve);
    });
  }

  #find(namespace: string, name: string): PodWorker | undefined {
    for (const worker of this.#workers.values()) {
      if (worker.pod.metadata?.namespace === namespace && worker.pod.metadata.name === name) return worker;
    }
    return undefined;
  }

  #relayCommand(worker: PodWorker, port: number): { argv: string[]; env: Record<string, string> } | undefined {
    const { network } = worker.state;
    if (network === undefined || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
    const proxyPort = port >= 15_000 && port < 15_100;
    const host = network.sandbox !== undefined ? '127.0.0.1' : proxyPort ? network.podIp : network.appIp;
    return {
      argv: [...this.#options.network.enter(network), ...this.#options.relayCommand, host, String(port)],
      env: { PATH: process.env['PATH'] ?? '', ...this.#options.extraEnvironment, XEBEC_ROOT: worker.directory },
    };
  }

  #baseEnvironment(pod: V1Pod, container: V1Container, network: PodNetwork): Record<string, string> {
    const { server } = this.#options.client.connection;
    const namespace = pod.metadata?.namespace ?? '';
    const loopback = this.#options.network.mode === 'loopback';
    const sidecar = network.appIp !== network.podIp;
    const isProxy = container.name === PROXY_CONTAINER;
    const services = [...this.#services.items.values()];
    const links =
      pod.spec?.enableServiceLinks === false
        ? {}
        : serviceEnvironment(services, namespace, loopback && sidecar ? network.appIp : undefined);
    return {
      PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOSTNAME: pod.metadata?.name ?? '',
      HOME: '/root',
      ...this.#options.extraEnvironment,
      ...links,
      KUBERNETES_SERVICE_HOST: loopback ? server.hostname : this.#options.network.hostIp,
      KUBERNETES_SERVICE_PORT: loopback ? server.port : String(API_PORT),
      KUBERNETES_SERVICE_PORT_HTTPS: loopback ? server.port : String(API_PORT),
      ...(loopback
        ? {
            XEBEC_BIND_ADDRESS: isProxy ? network.podIp : network.appIp,
            CURL_HOME: curlHome(join(this.#options.directory, pod.metadata?.uid ?? '')),
          }
        : {}),
      ...(loopback && isProxy ? { XEBEC_APP_ADDRESS: network.appIp, ISTIO_META_XEBEC_APP_ADDRESS: network.appIp } : {}),
      ...(loopback && !isProxy && namespace !== MESH_NAMESPACE
        ? proxyEnvironment(sidecar ? `http://${network.appIp}:15080` : plainProxyUrl(namespace))
        : {}),
    };
  }

  #createNodeServices(): NodeServices {
    const { client, clock, logger, network, images, nodeName } = this.#options;
    return {
      network,
      images,
      clock,
      logger,
      nodeName,
      clusterCa: client.connection.ca ?? '',
      source: {
        configMap: (namespace, name) => {
          const found = this.#configMaps.items.get(`${namespace}/${name}`);
          return found === undefined ? undefined : (found.data ?? {});
        },
        secret: (namespace, name) => {
          const found = this.#secrets.items.get(`${namespace}/${name}`);
          if (found === undefined) return undefined;
          return Object.fromEntries(Object.entries(found.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]));
        },
      },
      baseEnvironment: (pod, container, podNetwork) => this.#baseEnvironment(pod, container, podNetwork),
      networkChanged: () => this.#serviceUpdate.trigger(),
      token: async (pod, audience, expirationSeconds) => {
        const account = pod.spec?.serviceAccountName ?? 'default';
        const reply = await client.post<{ status?: { token?: string; expirationTimestamp?: string } }>(
          `/api/v1/namespaces/${pod.metadata?.namespace}/serviceaccounts/${account}/token`,
          {
            apiVersion: 'authentication.k8s.io/v1',
            kind: 'TokenRequest',
            spec: {
              audiences: audience === undefined ? [] : [audience],
              expirationSeconds,
              boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.metadata?.name, uid: pod.metadata?.uid },
            },
          },
        );
        const expires = Date.parse(reply.status?.expirationTimestamp ?? '') || clock.now() + expirationSeconds * 1000;
        // The kubelet renews when 80 % of the lifetime is over.
        return { token: reply.status?.token ?? '', renewAtMs: clock.now() + (expires - clock.now()) * 0.8 };
      },
      publish: async (pod, status) => {
        try {
          await client.mergePatch(`/api/v1/namespaces/${pod.metadata?.namespace}/pods/${pod.metadata?.name}/status`, {
            metadata: { uid: pod.metadata?.uid },
            status,
          });
        } catch (error) {
          // A pod that is gone needs no status.
          if (!(error instanceof KubeError && (error.status === 404 || error.status === 409))) throw error;
        }
      },
      event: (pod, type, reason, message) => this.#events.record(pod, type, reason, message),
      confirmDeleted: async (pod) => {
        try {
          await client.delete(`/api/v1/namespaces/${pod.metadata?.namespace}/pods/${pod.metadata?.name}?gracePeriodSeconds=0`, {
            apiVersion: 'v1',
            kind: 'DeleteOptions',
            gracePeriodSeconds: 0,
            preconditions: { uid: pod.metadata?.uid },
          });
        } catch (error) {
          if (!(error instanceof KubeError && error.status === 404)) logger.warn({ pod: pod.metadata?.name }, errorText(error));
        }
        this.#workers.delete(pod.metadata?.uid ?? '');
      },
    };
  }
}

/** Sends a container's HTTP requests through a proxy; gRPC, which would ask it for a tunnel, finds names by itself. */
function proxyEnvironment(url: string): Record<string, string> {
  return { http_proxy: url, HTTP_PROXY: url, no_grpc_proxy: GRPC_WITHOUT_PROXY };
}

/** The machine's first name server that is not the machine itself; undefined when there is none. */
export function upstreamNameServer(resolvConf = '/etc/resolv.conf'): string | undefined {
  try {
    const servers = readFileSync(resolvConf, 'utf8').matchAll(/^\s*nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm);
    return [...servers].map((match) => match[1]).find((server) => server !== undefined && server !== '0.0.0.0');
  } catch {
    return undefined;
  }
}
