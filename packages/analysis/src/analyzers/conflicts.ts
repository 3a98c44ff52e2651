import { resolveHost } from '@xebec/model';
import type { ConfigObject, SidecarSpec, VirtualServiceSpec } from '@xebec/schemas';
import type { Message } from '../message.ts';
import { type AnalysisView, subjectOf } from '../view.ts';

/** IST0109: two VirtualServices define the same host for the mesh; only the oldest counts. */
export function analyzeMeshHosts(view: AnalysisView): Message[] {
  const byHost = new Map<string, ConfigObject<VirtualServiceSpec>[]>();
  for (const object of view.virtualServices) {
    const { spec, metadata } = object;
    if (spec.gateways !== undefined && !spec.gateways.includes('mesh')) continue;
    const scope = (spec.exportTo ?? ['*']).every((namespace) => namespace === '.') ? `${metadata.namespace}/` : '*/';
    for (const host of spec.hosts ?? []) {
      const key = scope + resolveHost(host, metadata.namespace, view.domain);
      byHost.set(key, [...(byHost.get(key) ?? []), object]);
    }
  }
  return [...byHost].flatMap(([key, objects]) => {
    if (objects.length < 2) return [];
    const names = objects.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
    const host = key.slice(key.indexOf('/') + 1);
    const text = `The VirtualServices ${names.join(',')} associated with mesh gateway define the same host ${host} which can lead to undefined behavior. This can be fixed by merging the conflicting VirtualServices into a single resource.`;
    return objects.map((object) => ({ code: 'IST0109', subject: subjectOf(object), path: 'spec.hosts', text }) as const);
  });
}

/** IST0110 and IST0111: several Sidecars for the same pods, or several for a whole namespace. */
export function analyzeSidecars(view: AnalysisView): Message[] {
  const withoutSelector = new Map<string, ConfigObject<SidecarSpec>[]>();
  const messages: Message[] = [];
  const byPod = new Map<string, ConfigObject<SidecarSpec>[]>();
  for (const sidecar of view.sidecars) {
    const labels = sidecar.spec.workloadSelector?.labels;
    const { namespace } = sidecar.metadata;
    if (labels === undefined) {
      withoutSelector.set(namespace, [...(withoutSelector.get(namespace) ?? []), sidecar]);
      continue;
    }
    for (const { object, labels: own } of view.workloads) {
      if (object.metadata.namespace !== namespace || !Object.entries(labels).every(([key, value]) => own[key] === value)) continue;
      const key = `${object.kind}/${namespace}/${object.metadata.name}`;
      byPod.set(key, [...(byPod.get(key) ?? []), sidecar]);
    }
  }
  for (const [pod, sidecars] of byPod) {
    if (sidecars.length < 2) continue;
    const names = sidecars.map(({ metadata }) => metadata.name).sort();
    const [, namespace, name] = pod.split('/');
    const text = `The Sidecars [${names.join(' ')}] in namespace "${namespace}" select the same workload pod "${name}", which can lead to undefined behavior.`;
    for (const sidecar of sidecars) messages.push({ code: 'IST0110', subject: subjectOf(sidecar), path: 'spec.workloadSelector', text });
  }
  for (const [namespace, sidecars] of withoutSelector) {
    if (sidecars.length < 2) continue;
    const names = sidecars.map(({ metadata }) => metadata.name).sort();
    const text = `The Sidecars [${names.join(' ')}] in namespace "${namespace}" have no workload selector, which can lead to undefined behavior.`;
    for (const sidecar of sidecars) messages.push({ code: 'IST0111', subject: subjectOf(sidecar), path: '', text });
  }
  return messages;
}
