import type { KubeClient } from '@xebec/local';
import type { Progress } from './progress.ts';

interface PodTimes {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly creationTimestamp: string };
  readonly status?: {
    readonly startTime?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly lastTransitionTime: string }[];
  };
}

/** One line a pod: when it was made, started and ready, in the order in which they became ready. */
export async function printTimings(client: KubeClient, progress: Progress): Promise<void> {
  const { items = [] } = await client.get<{ items?: PodTimes[] }>('/api/v1/pods');
  const rows = items.map((pod) => ({
    name: `${pod.metadata.namespace}/${pod.metadata.name}`,
    created: pod.metadata.creationTimestamp,
    started: pod.status?.startTime ?? '',
    ready: pod.status?.conditions?.find((condition) => condition.type === 'Ready' && condition.status === 'True')?.lastTransitionTime ?? '',
  }));
  const clock = (time: string) => time.slice(11, 19).padEnd(8);
  for (const row of rows.sort((a, b) => (a.ready < b.ready ? -1 : 1))) {
    progress.line(`  made ${clock(row.created)}  started ${clock(row.started)}  ready ${clock(row.ready)}  ${row.name}`);
  }
}
