import type { Analyzer } from '../../analyzer.ts';
import { given, record, stringMap } from '../../fields.ts';

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
const POLICIES = ['AuthorizationPolicy', 'RequestAuthentication', 'Telemetry', 'WasmPlugin'] as const;

/** IST0166: policies reach the pods of a Gateway API gateway by targetRef, not by labels. */
export const kubernetesGatewaySelector: Analyzer = {
  name: 'k8sgateway.SelectorAnalyzer',
  description: 'Check that selectors are effective for Kubernetes gateway',
  inputs: [...POLICIES, 'Pod'],
  codes: ['IST0166'],
  analyze(view, report) {
    for (const kind of POLICIES) {
      for (const resource of view.all(kind)) {
        const selector = given(resource.spec['selector']);
        if (selector === undefined || given(resource.spec['targetRef']) !== undefined) continue;
        const labels = stringMap(record(selector)['matchLabels']);
        for (const pod of view.workloads.select(labels, resource.namespace)) {
          const gateway = pod.labels[GATEWAY_NAME];
          if (gateway !== undefined) report('IST0166', resource, [gateway], 'spec.selector');
        }
      }
    }
  },
};

/** The oldest version of each CRD that the mesh reads. */
const MINIMUM: Readonly<Record<string, readonly [number, number, number]>> = {
  'grpcroutes.gateway.networking.k8s.io': [1, 1, 0],
  'backendtlspolicies.gateway.networking.k8s.io': [1, 4, 0],
  'tlsroutes.gateway.networking.k8s.io': [1, 5, 0],
  'tcproutes.gateway.networking.k8s.io': [1, 6, 0],
};
const VERSION = /^v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/** IST0176: CRDs of the Gateway API from a bundle that is too old. */
export const gatewayCrdVersion: Analyzer = {
  name: 'k8sgateway.CRDVersionAnalyzer',
  description: 'Checks Gateway API CRDs are at the minimum version required by this Istio version',
  inputs: ['CustomResourceDefinition'],
  codes: ['IST0176'],
  analyze(view, report) {
    for (const resource of view.all('CustomResourceDefinition')) {
      const minimum = Object.hasOwn(MINIMUM, resource.name) ? MINIMUM[resource.name] : undefined;
      const parsed = VERSION.exec(resource.annotations['gateway.networking.k8s.io/bundle-version'] ?? '');
      if (minimum === undefined || parsed === null) continue;
      const version = [1, 2, 3].map((index) => Number(parsed[index] ?? 0));
      if (!isLess(version, minimum)) continue;
      const installed = `${version.join('.')}${parsed[4] ?? ''}${parsed[5] ?? ''}`;
      report('IST0176', resource, [resource.name, installed, minimum.join('.')], 'metadata.annotations');
    }
  },
};

function isLess(version: readonly number[], minimum: readonly number[]): boolean {
  for (const [index, wanted] of minimum.entries()) {
    const part = version[index] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
}
