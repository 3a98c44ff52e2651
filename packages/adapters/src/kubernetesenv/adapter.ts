import { ok } from '@xebec/core';
import { parseIp, type TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { bigintField, ipField, textField } from '../delivery/instance-fields.ts';
import { camelFields } from '../delivery/protobuf-fields.ts';
import { milliseconds, parseParams } from '../params.ts';
import type { WorkloadDirectory, WorkloadFacts } from './workload-directory.ts';

/** Release 1.4's params; Mixer itself watches pods (`--kubeconfig`), so they are accepted and have no effect. */
const params = z.strictObject({
  kubeconfigPath: z.string().optional(),
  cacheRefreshDuration: milliseconds.optional(),
  clusterRegistriesNamespace: z.string().optional(),
});

const read = (raw: unknown) => parseParams(params, camelFields(raw, Object.keys(params.shape)));

type Output = Record<string, TypedValue>;

/** Finds out which pods a call goes from and to, by uid or address, and what they belong to. */
export const kubernetesenv: AdapterDefinition = {
  name: 'kubernetesenv',
  templates: ['kubernetes'],
  check(raw) {
    const parsed = read(raw);
    return parsed.ok ? [] : parsed.error;
  },
  configure(raw, { workloads }) {
    const parsed = read(raw);
    if (!parsed.ok) return parsed;
    return ok({
      generate: (instance) => {
        const output: Output = {};
        const source = findPod(instance, 'source', workloads);
        if (source !== undefined) describe(source, 'source', output);
        const destination = findPod(instance, 'destination', workloads);
        if (destination !== undefined) {
          describe(destination, 'destination', output);
          const container = containerOf(destination, bigintField(instance.fields, 'destination_port') ?? 0n);
          if (container !== undefined) output['destination_container_name'] = { type: 'STRING', value: container };
        }
        return output;
      },
      close: () => undefined,
    });
  },
};

/** By uid where there is one, and only then; else by address. */
function findPod({ fields }: InstanceValue, end: 'source' | 'destination', workloads: WorkloadDirectory): WorkloadFacts | undefined {
  const uid = textField(fields, `${end}_uid`) ?? '';
  if (uid !== '') return parseIp(uid) === undefined ? workloads.byUid(normalUid(uid)) : workloads.byIp(uid);
  const ip = ipField(fields, `${end}_ip`);
  return ip === undefined ? undefined : workloads.byIp(ip);
}

const PREFIX = 'kubernetes://';

/** `kubernetes://pod.namespace`, `pod.namespace` or `namespace/pod` as the first. */
function normalUid(uid: string): string {
  const name = uid.startsWith(PREFIX) ? uid.slice(PREFIX.length) : uid;
  const slash = name.indexOf('/');
  return slash === -1 ? `${PREFIX}${name}` : `${PREFIX}${name.slice(slash + 1)}.${name.slice(0, slash)}`;
}

function containerOf({ containers }: WorkloadFacts, port: bigint): string | undefined {
  return port <= 0n ? undefined : containers.find(({ ports }) => ports.includes(Number(port)))?.name;
}

/** Fills in what is known; bindings have defaults for the rest. */
function describe(pod: WorkloadFacts, end: 'source' | 'destination', output: Output): void {
  const text = (name: string, value: string) => {
    if (value !== '') output[`${end}_${name}`] = { type: 'STRING', value };
  };
  const address = (name: string, value: string) => {
    const bytes = parseIp(value);
    if (bytes !== undefined) output[`${end}_${name}`] = { type: 'IP_ADDRESS', value: bytes };
  };
  text('pod_uid', pod.uid);
  text('pod_name', pod.name);
  text('namespace', pod.namespace);
  text('service_account_name', pod.serviceAccount);
  text('workload_uid', `istio://${pod.namespace}/workloads/${pod.workloadName}`);
  text('workload_name', pod.workloadName);
  text('workload_namespace', pod.namespace);
  text('owner', pod.owner);
  address('pod_ip', pod.ip);
  address('host_ip', pod.hostIp);
  const labels = Object.entries(pod.labels);
  if (labels.length > 0) output[`${end}_labels`] = { type: 'STRING_MAP', value: new Map(labels) };
}
