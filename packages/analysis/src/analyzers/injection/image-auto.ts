import type { Analyzer } from '../../analyzer.ts';
import { given, records, text } from '../../fields.ts';
import { labelSelectorMatches } from '../../selectors.ts';
import { podWorkload, templateWorkload, type Workload } from '../../workload-index.ts';

/** IST0146 and IST0147: `image: auto` waits for an injector that will not come. */
export const imageAuto: Analyzer = {
  name: 'injection.ImageAutoAnalyzer',
  description: 'Makes sure that Pods and Deployments with `image: auto` are going to be injected',
  inputs: ['Namespace', 'Pod', 'Deployment', 'MutatingWebhookConfiguration'],
  codes: ['IST0146', 'IST0147'],
  analyze(view, report) {
    const webhooks = view
      .all('MutatingWebhookConfiguration')
      .flatMap(({ content }) => records(content['webhooks']))
      .filter((webhook) => text(webhook['name']).endsWith('istio.io'));
    for (const pod of view.all('Pod')) {
      const index = autoContainer(podWorkload(pod));
      if (index >= 0) report('IST0147', pod, ['Pod', pod.name], `spec.containers[${index}].image`);
    }
    for (const deployment of view.all('Deployment')) {
      const workload = templateWorkload(deployment);
      const index = autoContainer(workload);
      if (index < 0) continue;
      const namespace = view.find('Namespace', deployment.namespace)?.labels ?? {};
      const injected = webhooks.some(
        (webhook) =>
          labelSelectorMatches(given(webhook['namespaceSelector']), namespace) &&
          labelSelectorMatches(given(webhook['objectSelector']), workload.labels),
      );
      if (!injected) report('IST0146', deployment, ['Deployment', deployment.name], `spec.template.spec.containers[${index}].image`);
    }
  },
};

function autoContainer({ pod }: Workload): number {
  return records(pod['containers']).findIndex(({ name, image }) => name === 'istio-proxy' && image === 'auto');
}
