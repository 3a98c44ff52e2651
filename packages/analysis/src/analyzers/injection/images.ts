import type { Analyzer } from '../../analyzer.ts';
import { record, stringMap, text } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { selects } from '../../selectors.ts';
import type { AnalysisView } from '../../view.ts';
import { podWorkload } from '../../workload-index.ts';
import { INJECTION, REVISION } from '../ambient.ts';
import { proxyImage } from '../in-mesh.ts';
import { injectorConfigMap, injectorValues } from './injector-values.ts';

/** IST0158: pods run a proxy other than the one that injection would give them now. */
export const proxyImages: Analyzer = {
  name: 'injection.ImageAnalyzer',
  description: 'Checks the image of auto-injection configured with the running proxies on pods',
  inputs: ['Namespace', 'Pod', 'ConfigMap', 'ProxyConfig'],
  codes: ['IST0158'],
  analyze(view, report) {
    const images = new Map(
      view
        .all('ConfigMap')
        .filter(({ name }) => name.startsWith('istio-sidecar-injector'))
        .map((map) => [map.name, configuredImage(map)]),
    );
    const mismatched = new Map<Resource, string[]>();
    for (const pod of view.all('Pod')) {
      const namespace = view.find('Namespace', pod.namespace);
      const revision = namespace?.labels[REVISION] ?? (namespace?.labels[INJECTION] === 'enabled' ? 'default' : undefined);
      if (namespace === undefined || revision === undefined || (pod.annotations['sidecar.istio.io/proxyImage'] ?? '') !== '') continue;
      const wanted = images.get(injectorConfigMap(revision));
      const image = proxyImage(podWorkload(pod));
      if (wanted === undefined || image === '' || image === wanted || image === `${wanted}-${imageType(view, pod)}`) continue;
      mismatched.set(namespace, [...(mismatched.get(namespace) ?? []), pod.name]);
    }
    for (const [namespace, pods] of mismatched) report('IST0158', namespace, [pods.sort()]);
  },
};

function configuredImage(map: Resource): string {
  const global = record(injectorValues(map)['global']);
  const image = text(record(global['proxy'])['image']);
  return image.includes('/') ? image : `${text(global['hub'])}/${image}:${text(global['tag'])}`;
}

/** `distroless` or `debug`: the last of mesh, namespace and workload settings that names one. */
function imageType(view: AnalysisView, pod: Resource): string {
  const configs = view.all('ProxyConfig');
  const candidates = [
    record(view.meshConfig['defaultConfig']),
    ...configs.filter(({ namespace }) => namespace === view.rootNamespace).map(({ spec }) => spec),
    ...configs.filter(({ namespace, spec }) => namespace === pod.namespace && spec['selector'] === undefined).map(({ spec }) => spec),
    ...configs
      .filter(
        ({ namespace, spec }) =>
          namespace === pod.namespace &&
          spec['selector'] !== undefined &&
          selects(stringMap(record(spec['selector'])['matchLabels']), pod.labels),
      )
      .map(({ spec }) => spec),
  ];
  const named = candidates.map((config) => text(record(config['image'])['imageType'])).filter((type) => type !== '');
  const type = named.at(-1) ?? '';
  return type === 'default' ? '' : type;
}
