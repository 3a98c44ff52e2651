import { CoreV1Api, type KubeConfig, makeInformer, type V1ConfigMap, type V1Namespace } from '@kubernetes/client-node';
import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { statusOf } from '../kubernetes.ts';

const ROOT_CONFIG_MAP = 'istio-ca-root-cert';
const ROOT_KEY = 'root-cert.pem';
const CRL_CONFIG_MAP = 'istio-ca-crl';
const CRL_KEY = 'ca-crl.pem';
const STABLE_MS = 1000;

/** What every namespace is to hold: PEM texts, the revocation lists empty for none. */
export interface DistributedTrust {
  readonly rootPem: string;
  readonly crlPem: string;
}

export interface Distribution {
  /** Writes something else from now on. */
  update(trust: DistributedTrust): void;
  close(): Promise<void>;
}

/**
 * Writes the roots into ConfigMap `istio-ca-root-cert` of every namespace, and revocation lists into `istio-ca-crl` once there are any;
 * repairs them when changed or deleted.
 */
export function distributeTrust(
  options: { readonly config: KubeConfig; readonly clock: Clock; readonly random: Random; readonly logger: Logger },
  first: DistributedTrust,
): Distribution {
  const { config, clock, logger } = options;
  let trust = first;
  const api = config.makeApiClient(CoreV1Api);
  const wanted = new Set<string>();
  const running = new Set<string>();
  let hadLists = false;
  const contents = ({ rootPem, crlPem }: DistributedTrust): Map<string, Record<string, string>> => {
    const lists: [string, Record<string, string>][] = crlPem === '' && !hadLists ? [] : [[CRL_CONFIG_MAP, { [CRL_KEY]: crlPem }]];
    return new Map([[ROOT_CONFIG_MAP, { [ROOT_KEY]: rootPem }], ...lists]);
  };
  let closed = false;
  const cancels = new Set<() => void>();
  const later = (delayMs: number, work: () => void): (() => void) => {
    const cancel = clock.setTimeout(() => {
      cancels.delete(cancel);
      if (!closed) work();
    }, delayMs);
    cancels.add(cancel);
    return () => {
      cancel();
      cancels.delete(cancel);
    };
  };

  const ensure = async (namespace: string, backoff = new Backoff({ baseMs: 200, maxMs: 10_000 }, options.random)): Promise<void> => {
    // One writer per namespace: events during a write are answered by the check after it.
    if (running.has(namespace) || closed || !wanted.has(namespace)) return;
    running.add(namespace);
    try {
      const written = trust;
      for (const [name, data] of contents(written)) await writeConfigMap(api, namespace, name, data);
      running.delete(namespace);
      if (trust !== written) void ensure(namespace);
    } catch (error) {
      running.delete(namespace);
      // A namespace on its way out refuses new objects.
      if (statusOf(error) === 404 || statusOf(error) === 403) return logger.debug({ namespace }, `root not written: ${errorText(error)}`);
      logger.warn({ namespace, code: 'E_ROOT_DISTRIBUTION' }, `the root certificate was not written, trying on: ${shortText(error)}`);
      later(backoff.nextMs(), () => void ensure(namespace, backoff));
    }
  };

  const namespaces = makeInformer<V1Namespace>(config, '/api/v1/namespaces', () => api.listNamespace());
  const onNamespace = (item: V1Namespace) => {
    const name = item.metadata?.name;
    if (name === undefined || item.metadata?.deletionTimestamp !== undefined || wanted.has(name)) return;
    wanted.add(name);
    void ensure(name);
  };
  namespaces.on('add', onNamespace);
  namespaces.on('update', onNamespace);
  namespaces.on('delete', (item) => void wanted.delete(item.metadata?.name ?? ''));

  const configMaps = makeInformer<V1ConfigMap>(config, '/api/v1/configmaps', () => api.listConfigMapForAllNamespaces());
  const onConfigMap = (item: V1ConfigMap) => {
    const data = contents(trust).get(item.metadata?.name ?? '');
    if (data === undefined || holds(item, data)) return;
    void ensure(item.metadata?.namespace ?? '');
  };
  configMaps.on('add', onConfigMap);
  configMaps.on('update', onConfigMap);
  configMaps.on('delete', (item) => {
    if (contents(trust).has(item.metadata?.name ?? '')) void ensure(item.metadata?.namespace ?? '');
  });

  const reachable = new Set([namespaces, configMaps].map((_, index) => index));
  for (const [index, informer] of [namespaces, configMaps].entries()) {
    const backoff = new Backoff({ baseMs: 200, maxMs: 2000 }, options.random);
    let cancelStable: () => void = () => undefined;
    const restart = (error: unknown) => {
      cancelStable();
      if (closed) return;
      // One line for both watches: they share the API server.
      if (reachable.size === 2) logger.warn({ code: 'E_API_SERVER' }, `the API server is away, trying on: ${shortText(error)}`);
      reachable.delete(index);
      later(backoff.nextMs(), () => void informer.start().catch(restart));
    };
    informer.on('error', restart);
    // client-node says `connect` when it starts to connect: only a watch that holds for a while is one.
    informer.on('connect', () => {
      cancelStable();
      cancelStable = later(STABLE_MS, () => {
        backoff.reset();
        if (reachable.has(index)) return;
        reachable.add(index);
        if (reachable.size === 2) logger.info({}, 'the API server answers again');
      });
    });
    informer.start().catch(restart);
  }
  return {
    update(next) {
      if (next.rootPem === trust.rootPem && next.crlPem === trust.crlPem) return;
      // Lists that are gone are emptied, not left behind.
      hadLists ||= trust.crlPem !== '';
      trust = next;
      for (const namespace of wanted) void ensure(namespace);
    },
    async close() {
      closed = true;
      for (const cancel of cancels) cancel();
      await Promise.all([namespaces.stop(), configMaps.stop()]);
    },
  };
}

async function writeConfigMap(api: CoreV1Api, namespace: string, name: string, data: Record<string, string>): Promise<void> {
  const body: V1ConfigMap = { metadata: { name, namespace, labels: { 'istio.io/config': 'true' } }, data };
  try {
    const existing = await api.readNamespacedConfigMap({ name, namespace });
    if (holds(existing, data)) return;
    await api.replaceNamespacedConfigMap({ name, namespace, body });
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    try {
      await api.createNamespacedConfigMap({ namespace, body });
    } catch (failure) {
      if (statusOf(failure) !== 409) throw failure;
    }
  }
}

function holds(map: V1ConfigMap, data: Readonly<Record<string, string>>): boolean {
  return Object.entries(data).every(([key, value]) => map.data?.[key] === value);
}

/** client-node's errors quote the whole response on many lines. */
function shortText(error: unknown): string {
  const code = statusOf(error);
  return code === undefined ? errorText(error).slice(0, 300) : `HTTP ${code}`;
}
