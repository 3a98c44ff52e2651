import * as http from 'node:http';
import { join } from 'node:path';
import { type KubeClient, lastLine, type ManifestObject } from '@xebec/local';
import { CommandFailure } from '../exit.ts';
import { type DeploymentView, type EventView, isDeployed, isReady, type PodView, podProblem, podsOf } from './pod-problem.ts';
import type { Progress } from './progress.ts';

const POLL_MS = 40;
const READY_DEADLINE_MS = 120_000;
/** The Deployments' own wait says more about what is wrong, so it speaks first. */
const REPORT_MS = 10_000;
const DEADLINE_S = READY_DEADLINE_MS / 1000;

/** What all waiting needs: whom to ask, where logs are, what to show, and when to stop. */
export interface Waiting {
  readonly client: KubeClient;
  /** State directory of the mesh. */
  readonly directory: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

interface List<T> {
  readonly items?: readonly T[];
}

/** Until the node agent of this run has published every pod: what the API server stored of an earlier run says nothing. */
export async function untilNode({ client, progress, signal }: Waiting, run: () => string | undefined): Promise<void> {
  await until(signal, 'the node agent did not register; see logs/node.log in the state directory', async () => {
    progress.waiting('node agent');
    const nodes = await client.get<List<{ status?: { nodeInfo?: { bootID?: string } } }>>('/api/v1/nodes');
    return nodes.items?.some((node) => node.status?.nodeInfo?.bootID === run()) === true;
  });
}

/** Until all Deployments are ready; a line for each as it becomes so. Otherwise says what holds each pod back, and throws. */
export async function untilDeployed(waiting: Waiting, objects: readonly ManifestObject[]): Promise<void> {
  const { client, progress, signal } = waiting;
  const left = new Set(objects.map((object) => `${object.metadata.namespace ?? 'default'}/${object.metadata.name}`));
  let deployments: readonly DeploymentView[] = [];
  let pods: readonly PodView[] = [];
  const end = performance.now() + READY_DEADLINE_MS;
  while (left.size > 0 && !signal.aborted) {
    try {
      [deployments, pods] = await Promise.all([
        client.get<List<DeploymentView>>('/apis/apps/v1/deployments').then((list) => list.items ?? []),
        client.get<List<PodView>>('/api/v1/pods').then((list) => list.items ?? []),
      ]);
    } catch {
      // The API server is being started again; it is asked once more below.
    }
    for (const deployment of deployments) {
      const key = `${deployment.metadata.namespace}/${deployment.metadata.name}`;
      if (!left.has(key) || !isDeployed(deployment, pods)) continue;
      progress.done(deployment.metadata.name);
      left.delete(key);
    }
    if (left.size === 0) return;
    const names = [...left].map((key) => key.slice(key.indexOf('/') + 1)).join(', ');
    if (performance.now() > end) {
      for (const line of await problems(waiting, [...left], deployments, pods)) progress.line(`! ${line}`);
      throw new CommandFailure(`not ready after ${DEADLINE_S} s: ${names}`);
    }
    progress.waiting(`waiting for ${names}`);
    await pause(POLL_MS);
  }
}

async function problems(
  { client, directory }: Waiting,
  keys: readonly string[],
  deployments: readonly DeploymentView[],
  pods: readonly PodView[],
): Promise<string[]> {
  const events = await client
    .get<List<EventView>>('/api/v1/events')
    .then((list) => list.items ?? [])
    .catch(() => []);
  return keys.flatMap((key) => {
    const deployment = deployments.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === key);
    if (deployment === undefined) return [`${key}: the API server knows no such Deployment`];
    const own = podsOf(deployment, pods).filter((pod) => !isReady(pod));
    if (own.length > 0) {
      return own.map((pod) => {
        const log = (container: string) => lastLine(join(directory, 'node/pods', pod.metadata.uid, 'logs', `${container}.log`));
        return `${pod.metadata.namespace}/${pod.metadata.name} ${podProblem(pod, events, log)}`;
      });
    }
    const failure = deployment.status?.conditions?.find((condition) => condition.type === 'ReplicaFailure' && condition.status === 'True');
    return [`${key} has too few pods: ${failure?.message ?? 'none was made yet; see logs/apiserver.log in the state directory'}`];
  });
}

/** Until Galley's injector is trusted by the API server and answers. */
export async function untilInjector({ client, signal }: Waiting): Promise<void> {
  const problem = `the sidecar injector is not ready after ${DEADLINE_S} s; see kubectl -n istio-system logs deploy/istio-galley`;
  await until(
    signal,
    problem,
    async () => {
      const [configuration, slices, pods] = await Promise.all([
        client.get<{ webhooks?: { clientConfig?: { caBundle?: string } }[] }>(
          '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-sidecar-injector',
        ),
        client.get<List<{ endpoints?: { conditions?: { ready?: boolean } }[] }>>(
          '/apis/discovery.k8s.io/v1/namespaces/istio-system/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Distio-galley',
        ),
        client.get<List<PodView>>('/api/v1/namespaces/istio-system/pods?labelSelector=app%3Distio-galley'),
      ]);
      const webhooks = configuration.webhooks ?? [];
      const trusted = webhooks.length > 0 && webhooks.every((webhook) => (webhook.clientConfig?.caBundle ?? '') !== '');
      const answering = (slices.items ?? []).some((slice) => slice.endpoints?.some((endpoint) => endpoint.conditions?.ready !== false));
      return trusted && answering && (pods.items ?? []).some(isReady);
    },
    READY_DEADLINE_MS + REPORT_MS,
  );
}

/** Until the page answers 200 through the gateway. */
export async function untilPage({ progress, signal }: Waiting, url: string): Promise<void> {
  let last = '';
  const problem = () => `${url} does not answer 200 but ${last}; look at "xebec proxy-status" and the gateway's log`;
  await until(signal, problem, async () => {
    last = await new Promise<string>((done) => {
      const request = http.get(url, { agent: false, timeout: 5000 }, (response) => {
        response.resume();
        response.once('end', () => done(String(response.statusCode)));
        response.once('error', (error) => done(error.message));
      });
      request.once('timeout', () => request.destroy(new Error('no answer within 5 s')));
      request.once('error', (error) => done(error.message));
    });
    if (last !== '200') progress.waiting(`GET ${url}: ${last}`);
    return last === '200';
  });
}

/** Polls until the condition holds; one that throws does not hold yet. */
async function until(
  signal: AbortSignal,
  problem: string | (() => string),
  condition: () => Promise<boolean>,
  deadlineMs = READY_DEADLINE_MS,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!signal.aborted) {
    if (await condition().catch(() => false)) return;
    if (performance.now() > end) throw new CommandFailure(typeof problem === 'string' ? problem : problem());
    await pause(POLL_MS);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
