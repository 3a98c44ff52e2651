import { isRecord } from '@xebec/config';
import type { ConfigObject, HttpRoute, HttpRouteDestination, VirtualServiceSpec } from '@xebec/schemas';
import { fieldsOf, records, serviceHost, text } from './fields.ts';
import { generated, originOf } from './generated.ts';
import type { Report } from './problem.ts';
import { matchesOf, toHttpMatch } from './route-group.ts';
import { parseWeight, wholeWeights } from './weight.ts';

export interface SplitContext {
  readonly domain: string;
  /** An object of the same namespace. */
  readonly find: (kind: 'HTTPRouteGroup', namespace: string, name: string) => ConfigObject | undefined;
  readonly report: Report;
}

/** The service that a split is about, in full. */
export function rootOf(split: ConfigObject, domain: string): string {
  const service = text(fieldsOf(split)['service']);
  return service === '' ? '' : serviceHost(service, split.metadata.namespace, domain);
}

/**
 * The VirtualService of all splits of one service, oldest first. Splits with matches come before the one without; requests that
 * none of them matches go to the service itself. Undefined when nothing is left to say.
 */
export function convertSplits(splits: readonly ConfigObject[], context: SplitContext): ConfigObject<VirtualServiceSpec> | undefined {
  const [first] = splits;
  if (first === undefined) return undefined;
  const root = rootOf(first, context.domain);
  const matched: HttpRoute[] = [];
  const origins: Record<string, ReturnType<typeof originOf>> = {};
  let whole: { readonly split: ConfigObject; readonly route: readonly HttpRouteDestination[] } | undefined;
  for (const split of splits) {
    const route = backendsOf(split, context);
    if (route === undefined) continue;
    const groups = records(fieldsOf(split)['matches']);
    if (groups.length === 0) {
      if (whole === undefined) whole = { split, route };
      else context.report(split, 'spec.service', `${root} is split by the older TrafficSplit "${whole.split.metadata.name}" already`);
      continue;
    }
    const match = groups.flatMap((reference, index) => {
      const { kind = 'HTTPRouteGroup' } = reference;
      const path = `spec.matches[${index}]`;
      if (kind !== 'HTTPRouteGroup') context.report(split, `${path}.kind`, `"${String(kind)}" cannot be matched; use HTTPRouteGroup`);
      const group = context.find('HTTPRouteGroup', split.metadata.namespace, text(reference['name']));
      if (group === undefined) context.report(split, `${path}.name`, `HTTPRouteGroup "${text(reference['name'])}" does not exist`);
      return group === undefined || kind !== 'HTTPRouteGroup' ? [] : matchesOf(group).map(toHttpMatch);
    });
    // Without any match the route would take everything, which is the opposite of what was asked for.
    if (match.length === 0) continue;
    origins[`spec.http[${matched.length}]`] = originOf(split, 'spec');
    matched.push({ match, route: [...route] });
  }
  if (whole === undefined && matched.length === 0) return undefined;
  const last: HttpRoute = { route: whole === undefined ? [{ destination: { host: root } }] : [...whole.route] };
  if (whole !== undefined) origins[`spec.http[${matched.length}]`] = originOf(whole.split, 'spec');
  const spec: VirtualServiceSpec = {
    hosts: [root],
    http: [...matched, last],
    // Connections that are not HTTP have nothing to match.
    ...(whole === undefined
      ? {}
      : { tcp: [{ route: whole.route.map(({ destination, weight }) => ({ destination, ...(weight === undefined ? {} : { weight }) })) }] }),
  };
  return { ...generated(first, 'VirtualService', `smi-split-${first.metadata.name}`, spec), origins };
}

function backendsOf(split: ConfigObject, { domain, report }: SplitContext): readonly HttpRouteDestination[] | undefined {
  const { namespace } = split.metadata;
  const given = records(fieldsOf(split)['backends']).flatMap((backend, index) => {
    const path = `spec.backends[${index}]`;
    const service = text(backend['service']);
    const weight = parseWeight(backend['weight']);
    if (service === '') report(split, `${path}.service`, 'required field is missing');
    if (weight === undefined)
      report(split, `${path}.weight`, `${JSON.stringify(backend['weight']) ?? 'nothing'} is no weight; write a whole number such as 90`);
    return service === '' || weight === undefined ? [] : [{ host: serviceHost(service, namespace, domain), weight }];
  });
  const sent = given.filter(({ weight }) => weight > 0);
  if (sent.length === 0) {
    if (isRecord(split.spec)) report(split, 'spec.backends', 'no backend has a weight above 0: the split is left out');
    return undefined;
  }
  const weights = wholeWeights(sent.map(({ weight }) => weight));
  const [only] = sent;
  if (sent.length === 1 && only !== undefined) return [{ destination: { host: only.host } }];
  return sent.map(({ host }, index) => ({ destination: { host }, weight: weights[index] ?? 0 })).filter(({ weight }) => weight > 0);
}
