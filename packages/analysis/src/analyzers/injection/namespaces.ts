import type { Analyzer } from '../../analyzer.ts';
import { record, text } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { podWorkload } from '../../workload-index.ts';
import { DATAPLANE_MODE, INJECTION, REVISION } from '../ambient.ts';
import { proxyImage } from '../in-mesh.ts';
import { injectorConfigMap, injectorValues } from './injector-values.ts';

/** IST0102, IST0123 and IST0148 for namespaces, IST0103 for pods that miss their proxy. */
export const injection: Analyzer = {
  name: 'injection.Analyzer',
  description: 'Checks conditions related to Istio sidecar injection',
  inputs: ['Namespace', 'Pod', 'ConfigMap'],
  codes: ['IST0102', 'IST0103', 'IST0123', 'IST0148'],
  analyze(view, report) {
    const injected = new Set<string>();
    for (const resource of view.all('Namespace')) {
      const { name, labels } = resource;
      if (name === 'istio-system') continue;
      const found = injectionLabels(resource);
      if (found.length > 1) report('IST0123', resource, [found], 'metadata.labels');
      if (labels[DATAPLANE_MODE] === 'ambient') continue;
      if ((labels[INJECTION] ?? '') === '' && labels[REVISION] === undefined) {
        const map = view.all('ConfigMap').find((candidate) => candidate.name === injectorConfigMap(labels[REVISION]));
        const byDefault = record(injectorValues(map)['sidecarInjectorWebhook'])['enableNamespacesByDefault'] === true;
        if (byDefault) report('IST0148', resource, []);
        else report('IST0102', resource, [name, name], 'metadata.name');
      } else if (labels[INJECTION] === 'enabled') {
        injected.add(name);
      }
    }
    for (const resource of view.all('Pod')) {
      const asked = resource.labels['sidecar.istio.io/inject'] ?? resource.annotations['sidecar.istio.io/inject'] ?? '';
      if (!injected.has(resource.namespace) || asked.toLowerCase() === 'false' || resource.spec['hostNetwork'] === true) continue;
      if (proxyImage(podWorkload(resource)) === '') report('IST0103', resource, [resource.fullName]);
    }
  },
};

function injectionLabels({ labels }: Resource): string[] {
  const injection = labels[INJECTION];
  const found = injection === undefined ? [] : [`${INJECTION}=${injection}`];
  if (injection !== undefined && injection !== 'enabled') return found;
  return [...found, ...[REVISION, DATAPLANE_MODE].flatMap((key) => (labels[key] === undefined ? [] : [`${key}=${text(labels[key])}`]))];
}
