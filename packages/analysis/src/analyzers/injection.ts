import type { Message } from '../message.ts';
import { type AnalysisView, subjectOfRaw } from '../view.ts';

const SYSTEM = new Set(['kube-system', 'kube-public', 'kube-node-lease', 'istio-system', 'local-path-storage']);

/** IST0102: a namespace says nothing of injection. IST0103: it says yes, and a pod of it has no proxy. */
export function analyzeInjection(view: AnalysisView): Message[] {
  const messages: Message[] = [];
  for (const namespace of view.namespaces) {
    const { name, labels } = namespace.metadata;
    if (SYSTEM.has(name)) continue;
    const injected = labels['istio-injection'] === 'enabled' || labels['istio.io/rev'] !== undefined;
    if (labels['istio-injection'] === undefined && labels['istio.io/rev'] === undefined) {
      const text = `The namespace is not enabled for Istio injection. Run 'kubectl label namespace ${name} istio-injection=enabled' to enable it, or 'kubectl label namespace ${name} istio-injection=disabled' to explicitly mark it as not needing injection.`;
      messages.push({ code: 'IST0102', subject: subjectOfRaw(namespace), path: '', text });
    }
    if (!injected) continue;
    for (const { object, labels: podLabels, containers } of view.pods) {
      if (
        object.metadata.namespace !== name ||
        podLabels['sidecar.istio.io/inject'] === 'false' ||
        object.metadata.annotations['sidecar.istio.io/inject'] === 'false'
      )
        continue;
      if (containers.includes('istio-proxy')) continue;
      messages.push({
        code: 'IST0103',
        subject: subjectOfRaw(object),
        path: '',
        text: `The pod ${name}/${object.metadata.name} is missing the Istio proxy. This can often be resolved by restarting or redeploying the workload.`,
      });
    }
  }
  return messages;
}
