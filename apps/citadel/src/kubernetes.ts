import { ApiException, CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { errorText, XebecError } from '@xebec/core';
import { type AuthorityPem, type AuthorityStore, authorityFromFiles } from './authority-store.ts';

const CA_SECRET = 'istio-ca-secret';
const PLUGGED_SECRET = 'cacerts';
const STATE_SECRET = 'xebec-ca-state';
const STATE_KEY = 'state';

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

export function statusOf(error: unknown): number | undefined {
  return error instanceof ApiException ? error.code : undefined;
}

/**
 * Keeps the CA in Secret `istio-ca-secret` (`ownSecret`), a Secret `cacerts` that the user made wins; the state in Secret
 * `xebec-ca-state`, whose resourceVersion tells replicas apart.
 */
export function createSecretStore(config: KubeConfig, namespace: string, ownSecret = CA_SECRET): AuthorityStore {
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
    const pem = await authorityFromFiles(text, `Secret ${namespace}/${name} must hold ca-cert.pem and ca-key.pem, or tls.crt and tls.key`);
    if (pem === undefined) throw new XebecError('E_CA_STORE', `Secret ${namespace}/${name} must hold ca-cert.pem and ca-key.pem`);
    return pem;
  };
  const load = async () => (await read(PLUGGED_SECRET)) ?? (await read(ownSecret));
  return {
    description: `Secret ${namespace}/${ownSecret}`,
    load,
    pluggedIn: () => read(PLUGGED_SECRET),
    async publish(pem) {
      const existing = await api.readNamespacedSecret({ name: ownSecret, namespace }).catch((error: unknown) => {
        if (statusOf(error) === 404) return undefined;
        throw error;
      });
      const data = secretData(pem);
      if (existing === undefined) {
        await api.createNamespacedSecret({ namespace, body: { metadata: { name: ownSecret, namespace }, type: 'istio.io/ca-root', data } });
        return;
      }
      if (Object.entries(data).every(([key, value]) => existing.data?.[key] === value)) return;
      await api.replaceNamespacedSecret({ name: ownSecret, namespace, body: { ...existing, data: { ...existing.data, ...data } } });
    },
    async loadState() {
      try {
        const { data, metadata } = await api.readNamespacedSecret({ name: STATE_SECRET, namespace });
        const text = data?.[STATE_KEY];
        if (text === undefined) throw new XebecError('E_CA_STORE', `Secret ${namespace}/${STATE_SECRET} has no key ${STATE_KEY}`);
        return { bytes: Buffer.from(text, 'base64'), revision: metadata?.resourceVersion ?? '' };
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    },
    async saveState(bytes, revision) {
      const metadata = { name: STATE_SECRET, namespace, ...(revision === undefined ? {} : { resourceVersion: revision }) };
      const body = { metadata, type: 'xebec.dev/ca-state', data: { [STATE_KEY]: Buffer.from(bytes).toString('base64') } };
      try {
        const written =
          revision === undefined
            ? await api.createNamespacedSecret({ namespace, body })
            : await api.replaceNamespacedSecret({ name: STATE_SECRET, namespace, body });
        return written.metadata?.resourceVersion ?? '';
      } catch (error) {
        if (statusOf(error) === 409 || statusOf(error) === 404) return undefined;
        throw error;
      }
    },
    async createIfAbsent(make) {
      const existing = await load();
      if (existing !== undefined) return existing;
      const fresh = await make();
      try {
        await api.createNamespacedSecret({
          namespace,
          body: {
            metadata: { name: ownSecret, namespace },
            type: 'istio.io/ca-root',
            data: secretData(fresh),
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

/** A self-signed CA under the names that Istio gives it. */
function secretData(pem: AuthorityPem): Record<string, string> {
  const encode = (text: string) => Buffer.from(text).toString('base64');
  return {
    'ca-cert.pem': encode(pem.certificate),
    'ca-key.pem': encode(pem.privateKey),
    'cert-chain.pem': encode(pem.chain ?? ''),
    'root-cert.pem': encode(pem.root ?? pem.certificate),
  };
}
