import { isIP } from 'node:net';
import type { Analyzer, Report } from '../../analyzer.ts';
import { type Fields, given, record, records, stringMap, text, texts } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { type Labels, labelSelectorMatches } from '../../selectors.ts';
import { REVISION } from '../ambient.ts';

interface InjectionWebhook {
  readonly id: string;
  readonly resource: Resource;
  readonly webhook: Fields;
  readonly path: string;
}

const NAMESPACE_LABELS: readonly Labels[] = [{}, { 'istio-injection': 'enabled' }, { 'istio-injection': 'disabled' }];
const POD_LABELS: readonly Labels[] = [{}, { 'sidecar.istio.io/inject': 'true' }, { 'sidecar.istio.io/inject': 'false' }];

/** IST0139: several webhooks would inject the same pod, or one calls a service that does not exist. */
export const injectionWebhooks: Analyzer = {
  name: 'webhook.Analyzer',
  description: 'Checks the validity of Istio webhooks',
  inputs: ['MutatingWebhookConfiguration', 'Service'],
  codes: ['IST0139'],
  analyze(view, report) {
    const revisions = new Set<string>();
    const webhooks: InjectionWebhook[] = view.all('MutatingWebhookConfiguration').flatMap((resource) => {
      const list = records(resource.content['webhooks']);
      const own = revisionsOf(resource, list);
      if (own.size === 0 && !list.some(({ name }) => text(name).endsWith('istio.io'))) return [];
      for (const revision of own) revisions.add(revision);
      return list.map((webhook, index) => ({
        id: `${resource.fullName}/${text(webhook['name'])}`,
        resource,
        webhook,
        path: `webhooks[${index}].name`,
      }));
    });
    reportOverlaps(webhooks, revisions, report);
    if (!view.knows('Service')) return;
    for (const { resource, webhook, path } of webhooks) {
      const service = given(record(webhook['clientConfig'])['service']);
      if (service === undefined) continue;
      const name = `${text(service['namespace'])}/${text(service['name'])}`;
      if (view.find('Service', name) !== undefined) continue;
      report('IST0139', resource, [`Injector refers to a control plane service that does not exist: ${name}.`], path);
    }
  },
};

function revisionsOf(resource: Resource, webhooks: readonly Fields[]): ReadonlySet<string> {
  const found = new Set<string>();
  const own = resource.labels[REVISION];
  if (own !== undefined) found.add(own);
  for (const webhook of webhooks) {
    for (const selector of [record(webhook['namespaceSelector']), record(webhook['objectSelector'])]) {
      const named = stringMap(selector['matchLabels'])[REVISION];
      if (named !== undefined) found.add(named);
      for (const expression of records(selector['matchExpressions']))
        if (expression['key'] === REVISION) for (const value of texts(expression['values'])) found.add(value);
    }
  }
  return found;
}

function reportOverlaps(webhooks: readonly InjectionWebhook[], revisions: ReadonlySet<string>, report: Report): void {
  const withRevisions = (labels: readonly Labels[]): readonly Labels[] => [
    ...labels,
    ...[...revisions].flatMap((revision) => labels.map((base) => ({ ...base, [REVISION]: revision }))),
  ];
  for (const namespace of withRevisions(NAMESPACE_LABELS)) {
    const here = webhooks.filter(({ webhook }) => labelSelectorMatches(given(webhook['namespaceSelector']), namespace));
    for (const pod of here.length > 1 ? withRevisions(POD_LABELS) : []) {
      const matching = here.filter(({ webhook }) => labelSelectorMatches(given(webhook['objectSelector']), pod));
      const ids = new Set(matching.map(({ id }) => id));
      if (ids.size < 2) continue;
      for (const { id, resource, path } of matching) {
        const others = [...ids].filter((other) => other !== id).sort();
        const detail = `Webhook overlaps with others: [${others.join(' ')}]. This may cause injection to occur twice.`;
        report('IST0139', resource, [detail], path);
      }
    }
  }
}

/** IST0163 and IST0164: where webhooks find a control plane outside the cluster. */
export const externalControlPlane: Analyzer = {
  name: 'externalcontrolplane.ExternalControlPlaneAnalyzer',
  description: 'Checks that the remote IstioOperator resources reference an external control plane',
  inputs: ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration'],
  codes: ['IST0163', 'IST0164'],
  analyze(view, report) {
    for (const resource of view.all('ValidatingWebhookConfiguration'))
      if (resource.name === 'istiod-default-validator' || resource.name.startsWith('istio-validator')) checkAddresses(resource, report);
    for (const resource of view.all('MutatingWebhookConfiguration'))
      if (resource.name.startsWith('istio-sidecar-injector')) checkAddresses(resource, report);
  },
};

function checkAddresses(resource: Resource, report: Report): void {
  for (const [index, webhook] of records(resource.content['webhooks']).entries()) {
    const config = record(webhook['clientConfig']);
    const name = text(webhook['name']);
    const path = `webhooks[${index}].clientConfig`;
    if (typeof config['url'] !== 'string') {
      if (given(config['service']) === undefined) report('IST0163', resource, ['', name, 'is blank'], path);
      continue;
    }
    const address = config['url'];
    if (!URL.canParse(address)) report('IST0163', resource, [address, name, 'was provided in an invalid format'], `${path}.url`);
    else if (isIP(new URL(address).hostname.replace(/^\[|\]$/g, '')) !== 0) report('IST0164', resource, [address, name], `${path}.url`);
  }
}
