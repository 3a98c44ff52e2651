import { type KubernetesApi, startReflector } from '@xebec/config';
import { type Clock, errorText, type Logger, type Random } from '@xebec/core';

const PATHS = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'].map(
  (plural) => `/apis/admissionregistration.k8s.io/v1/${plural}`,
);

interface Webhook {
  readonly clientConfig?: { readonly caBundle?: string; readonly service?: { readonly name?: string; readonly namespace?: string } };
}

function webhooksOf(configuration: Readonly<Record<string, unknown>>): Webhook[] {
  return Array.isArray(configuration['webhooks']) ? configuration['webhooks'] : [];
}

/** JSON Patch that sets the CA bundle on every webhook of a configuration that calls `service`; empty when all have it. */
export function caBundlePatch(
  configuration: Readonly<Record<string, unknown>>,
  service: { name: string; namespace: string },
  caBundle: string,
): object[] {
  return webhooksOf(configuration).flatMap((webhook, index) => {
    const target = webhook.clientConfig?.service;
    if (target?.name !== service.name || target.namespace !== service.namespace || webhook.clientConfig?.caBundle === caBundle) return [];
    return [{ op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value: caBundle }];
  });
}

export interface CaBundleOptions {
  readonly api: KubernetesApi;
  readonly service: { readonly name: string; readonly namespace: string };
  /** PEM roots by which the API server is to judge this webhook, at first. */
  readonly rootPem: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface CaBundle {
  /** Writes other roots from now on; resolves to whether every configuration has them. */
  update(rootPem: string): Promise<boolean>;
  close(): Promise<void>;
}

/** Keeps the CA bundle of the webhook configurations right, also when somebody applies them anew. */
export function keepCaBundle(options: CaBundleOptions): CaBundle {
  const { api, logger, service } = options;
  let caBundle = Buffer.from(options.rootPem).toString('base64');
  const stop = new AbortController();
  const repair = async (path: string, configuration: Readonly<Record<string, unknown>>): Promise<boolean> => {
    const metadata = configuration['metadata'];
    const name = typeof metadata === 'object' && metadata !== null && 'name' in metadata ? String(metadata.name) : '';
    const patch = caBundlePatch(configuration, service, caBundle);
    if (patch.length === 0) return true;
    try {
      await api.send('PATCH', `${path}/${name}`, patch, stop.signal, 'application/json-patch+json');
      logger.info({ configuration: name }, 'CA bundle written');
      return true;
    } catch (error) {
      if (!stop.signal.aborted) logger.warn({ configuration: name }, `CA bundle not written: ${errorText(error)}`);
      return false;
    }
  };
  const reflectors = PATHS.map((path) =>
    startReflector({
      ...options,
      path,
      handler: {
        onList: (items) => {
          for (const item of items) void repair(path, item);
        },
        onEvent: (type, object) => {
          if (type !== 'DELETED') void repair(path, object);
        },
      },
    }),
  );
  return {
    update: async (rootPem) => {
      caBundle = Buffer.from(rootPem).toString('base64');
      const written: boolean[] = [];
      for (const path of PATHS) {
        const list: unknown = await api.get(path, stop.signal).catch(() => undefined);
        const items = typeof list === 'object' && list !== null && 'items' in list && Array.isArray(list.items) ? list.items : undefined;
        written.push(items !== undefined, ...(await Promise.all((items ?? []).map((item) => repair(path, item)))));
      }
      return written.every((done) => done);
    },
    close: async () => {
      stop.abort();
      await Promise.all(reflectors.map((reflector) => reflector.close()));
    },
  };
}
