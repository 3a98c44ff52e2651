import type { Analyzer } from '../../analyzer.ts';
import { given, integer, record, records, text } from '../../fields.ts';

const REMOVED_KINDS: ReadonlySet<string> = new Set(['ClusterRbacConfig', 'RbacConfig', 'ServiceRole', 'ServiceRoleBinding']);

/** IST0002 for fields and kinds that are going, or gone. */
export const deprecation: Analyzer = {
  name: 'deprecation.DeprecationAnalyzer',
  description: 'Checks for deprecated Istio types and fields',
  inputs: ['VirtualService', 'Sidecar', 'CustomResourceDefinition'],
  codes: ['IST0002'],
  analyze(view, report) {
    for (const resource of view.all('VirtualService')) {
      for (const [index, rule] of records(resource.spec['http']).entries()) {
        if (integer(record(record(rule['fault'])['delay'])['percent']) <= 0) continue;
        const detail = 'HTTPRoute.fault.delay.percent is deprecated; use HTTPRoute.fault.delay.percentage';
        report('IST0002', resource, [detail], `spec.http[${index}].fault.delay.percent`);
      }
    }
    for (const resource of view.all('Sidecar'))
      if (given(record(resource.spec['outboundTrafficPolicy'])['egressProxy']) !== undefined)
        report('IST0002', resource, ['OutboundTrafficPolicy.EgressProxy ignored'], 'spec.outboundTrafficPolicy.egressProxy');
    for (const resource of view.all('CustomResourceDefinition')) {
      // Those that came with this mesh are for its Mixer's adapter.
      if (resource.labels['app'] === 'xebec') continue;
      const kind = text(record(resource.spec['names'])['kind']);
      if (resource.spec['group'] === 'rbac.istio.io' && REMOVED_KINDS.has(kind))
        report('IST0002', resource, [`Custom resource type rbac.istio.io ${kind} is removed`], 'spec.names.kind');
    }
  },
};
