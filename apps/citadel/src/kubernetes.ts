import {
  ApiException,
  AuthenticationV1Api,
  CoreV1Api,
  KubeConfig,
  makeInformer,
  type V1ConfigMap,
  type V1Namespace,
} from '@kubernetes/client-node';
import { Backoff, type Clock, errorText, type Logger, type Random, XebecError } from '@xebec/core';
import { parseServiceAccountUser, type TokenAuthenticator } from './authenticator.ts';
import type { AuthorityPem, AuthorityStore } from './authority-store.ts';

const ROOT_CONFIG_MAP = 'istio-ca-root-cert';
const ROOT_KEY = 'root-cert.pem';
const CA_SECRET = 'istio-ca-secret';
const PLUGGED_SECRET = 'cacerts';
const STABLE_MS = 1000;

export function loadKubeConfig(kubeconfig: string | undefined, env: NodeJS.ProcessEnv): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
    else config.loadFromCluster(env['XEBEC_ROOT'] ?? '');
  } catch (error) {
    throw new XebecError('E_FLAG', `--kubeconfig ${kubeconfig ?? '(in cluster)'} cannot be read: ${errorText(error)}`);
  }
  return config;
}

function statusOf(error: unknown): number | undefined {
  return error instanceof ApiException ? error.code : undefined;
}

/** Keeps the CA in Secret `istio-ca-secret`; a Secret `cacerts` that the user made wins. */
export function createSecretStore(config: KubeConfig, namespace: string): AuthorityStore {
  const api = config.makeApiClient(CoreV1Api);
  const read = async (name: string): Promise<AuthorityPem | undefined> => {
    let data: Record<string, string>;
    try {
      data = (await api.readNamespacedSecret({ name, namespace })).data ?? {};
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
    const text = (key: string) => {
      const value = data[key];
      return value === undefined || value === '' ? undefined : Buffer.from(value, 'base64').toString('utf8');
    };
    const [certificate, privateKey, chain, root] = [text('ca-cert.pem'), text('ca-key.pem'), text('cert-chain.pem'), text('root-cert.pem')];
    if (certificate === undefined || privateKey === undefined) {
      throw new XebecError('E_CA_STORE', `Secret ${namespace}/${name} must hold ca-cert.pem and ca-key.pem`);
    }
    return { certificate, privateKey, ...(chain === undefined ? {} : { chain }), ...(root === undefined ? {} : { root }) };
  };
  const load = async () => (await read(PLUGGED_SECRET)) ?? (await read(CA_SECRET));
  return {
    description: `Secret ${namespace}/${CA_SECRET}`,
    load,
    async createIfAbsent(make) {
      const existing = await load();
      if (existing !== undefined) return existing;
      const fresh = await make();
      const encode = (text: string) => Buffer.from(text).toString('base64');
      try {
        await api.createNamespacedSecret({
          namespace,
          body: {
            metadata: { name: CA_SECRET, namespace },
            type: 'istio.io/ca-root',
            data: {
              'ca-cert.pem': encode(fresh.certificate),
              'ca-key.pem': encode(fresh.privateKey),
              'cert-chain.pem': '',
              'root-cert.pem': encode(fresh.root ?? fresh.certificate),
            },
          },
        });
        return fresh;
      } catch (error) {
        // Another replica was first: its root is the mesh's.
        const others = statusOf(error) === 409 ? await load() : undefined;
        if (others !== undefined) return others;
        throw error;
      }
    },
  };
}

/** Asks the API server whose token it is, and that it was made for the CA. */
export function createTokenReviewAuthenticator(config: KubeConfig, audience: string): TokenAuthenticator {
  const api = config.makeApiClient(AuthenticationV1Api);
  return async (token) => {
    const review = await api.createTokenReview({
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [audience] } },
    });
    const result = review.status;
    if (result?.authenticated !== true) throw new XebecError('E_TOKEN', 'the API server does not accept the token');
    // A server without audience support answers without audiences: then nothing proves that the token was meant for the CA.
    if (result.audiences?.includes(audience) !== true) throw new XebecError('E_TOKEN', `the token is not for the audience ${audience}`);
    const account = parseServiceAccountUser(result.user?.username);
    if (account === undefined) throw new XebecError('E_TOKEN', "the token's user is no service account");
    return account;
  };
}

/** Writes the root into ConfigMap `istio-ca-root-cert` of every namespace and repairs it when changed or deleted. */
export function distributeRoot(options: { config: KubeConfig; rootPem: string; clock: Clock; random: Random; logger: Logger }): {
  close(): Promise<void>;
} {
  const { config, clock, logger } = options;
  const api = config.makeApiClient(CoreV1Api);
  const wanted = new Set<string>();
  const running = new Set<string>();
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
      await writeRoot(api, namespace, options.rootPem);
      running.delete(namespace);
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
    if (item.metadata?.name !== ROOT_CONFIG_MAP || item.data?.[ROOT_KEY] === options.rootPem) return;
    void ensure(item.metadata.namespace ?? '');
  };
  configMaps.on('add', onConfigMap);
  configMaps.on('update', onConfigMap);
  configMaps.on('delete', (item) => {
    if (item.metadata?.name === ROOT_CONFIG_MAP) void ensure(item.metadata.namespace ?? '');
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
    async close() {
      closed = true;
      for (const cancel of cancels) cancel();
      await Promise.all([namespaces.stop(), configMaps.stop()]);
    },
  };
}

async function writeRoot(api: CoreV1Api, namespace: string, rootPem: string): Promise<void> {
  const body: V1ConfigMap = {
    metadata: { name: ROOT_CONFIG_MAP, namespace, labels: { 'istio.io/config': 'true' } },
    data: { [ROOT_KEY]: rootPem },
  };
  try {
    const existing = await api.readNamespacedConfigMap({ name: ROOT_CONFIG_MAP, namespace });
    if (existing.data?.[ROOT_KEY] === rootPem) return;
    await api.replaceNamespacedConfigMap({ name: ROOT_CONFIG_MAP, namespace, body });
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    try {
      await api.createNamespacedConfigMap({ namespace, body });
    } catch (failure) {
      if (statusOf(failure) !== 409) throw failure;
    }
  }
}

/** client-node's errors quote the whole response on many lines. */
function shortText(error: unknown): string {
  const code = statusOf(error);
  return code === undefined ? errorText(error).slice(0, 300) : `HTTP ${code}`;
}
