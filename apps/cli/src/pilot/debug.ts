import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { CommandFailure } from '../exit.ts';
import { callApi, execInPod } from '../kube/connection.ts';

/** One replica of pilot, as far as its debug pages go. */
export interface PilotReplica {
  readonly name: string;
  /** Reads a page such as `syncz` or `objectz?kind=Gateway`. */
  read(page: string): Promise<unknown>;
}

/** Every pilot of the mesh; its debug pages are open to its own machine only, so they are read from inside the pod. */
export async function findPilots(config: KubeConfig, namespace: string): Promise<readonly PilotReplica[]> {
  const api = config.makeApiClient(CoreV1Api);
  const { items } = await callApi(
    config,
    api.listNamespacedPod({ namespace, labelSelector: 'app=istio-pilot' }),
    `pilots in namespace ${namespace}`,
  );
  if (items.length === 0) throw new CommandFailure(`no pilot runs in namespace "${namespace}"; name another with --istioNamespace`);
  return items.map((pod) => {
    const name = pod.metadata?.name ?? '';
    const container = pod.spec?.containers[0]?.name ?? '';
    return {
      name,
      read: async (page) =>
        parse(name, page, await execInPod(config, pod, container, ['curl', '-sf', `http://127.0.0.1:15014/debug/${page}`])),
    };
  });
}

/** A pilot at an HTTP address, for meshes without an API server. */
export function pilotAt(address: string): PilotReplica {
  const base = address.includes('://') ? address : `http://${address}`;
  return {
    name: base,
    read: async (page) => {
      const response = await fetch(`${base}/debug/${page}`).catch((error: unknown) => {
        throw new CommandFailure(`pilot at ${base} does not answer: ${error instanceof Error ? error.message : String(error)}`);
      });
      if (!response.ok) throw new CommandFailure(`pilot at ${base}: /debug/${page}: ${response.status}`);
      return parse(base, page, await response.text());
    },
  };
}

function parse(name: string, page: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandFailure(`${name}: /debug/${page} is not JSON`);
  }
}
