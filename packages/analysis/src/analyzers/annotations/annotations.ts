import type { Analyzer, Report } from '../../analyzer.ts';
import { records } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { knownAnnotations } from './known-annotations.ts';
import { annotationValueChecks } from './values.ts';

const KINDS = ['Namespace', 'Service', 'Pod', 'Deployment'] as const;
const INJECT = 'sidecar.istio.io/inject';
/** Written by the mesh itself. */
const IGNORED: ReadonlySet<string> = new Set(['sidecar.istio.io/status', 'gateway.istio.io/controller-version', 'istio.io/rev']);
/** Given to pods by the injector where the CNI plugin redirects traffic. */
const FROM_INJECTOR: ReadonlySet<string> = new Set([
  'sidecar.istio.io/interceptionMode',
  'traffic.sidecar.istio.io/includeInboundPorts',
  'traffic.sidecar.istio.io/excludeInboundPorts',
  'traffic.sidecar.istio.io/includeOutboundIPRanges',
]);

function isOfIstio(name: string): boolean {
  return name === 'kubernetes.io/ingress.class' || (name.split('/')[0] ?? '').endsWith('istio.io');
}

/** IST0107, IST0108, IST0125 and IST0135: annotations nobody reads there, nobody knows, with bad values, or on their way out. */
export const annotations: Analyzer = {
  name: 'annotations.K8sAnalyzer',
  description: 'Checks for misplaced and invalid Istio annotations in Kubernetes resources',
  inputs: KINDS,
  codes: ['IST0107', 'IST0108', 'IST0125', 'IST0135'],
  analyze(view, report) {
    for (const kind of KINDS)
      for (const resource of view.all(kind))
        for (const [name, value] of Object.entries(resource.annotations))
          if (isOfIstio(name) && !IGNORED.has(name)) checkAnnotation(resource, name, value, report);
  },
};

function checkAnnotation(resource: Resource, name: string, value: string, report: Report): void {
  const path = `metadata.annotations.${name}`;
  const known = knownAnnotations.get(name);
  if (known === undefined) {
    report('IST0108', resource, [name], path);
    return;
  }
  if (known.deprecated === true && !(name === INJECT && INJECT in resource.labels)) {
    const instead = name === INJECT ? ` in favor of the "${INJECT}" label` : '';
    report('IST0135', resource, [name, instead], path);
  }
  if (known.on.includes('Any')) return;
  if (!known.on.includes(resource.kind)) {
    report('IST0107', resource, [name, known.on.join(', ')], path);
    return;
  }
  const problem = annotationValueChecks.get(name)?.(value);
  if (problem !== undefined) report('IST0125', resource, [name, problem], path);
}

/** IST0136: annotations that may change. istioctl has this analyzer and does not run it. */
export const alphaAnnotations: Analyzer = {
  name: 'annotations.AlphaAnalyzer',
  description: 'Checks for alpha Istio annotations in Kubernetes resources',
  inputs: KINDS,
  codes: ['IST0136'],
  onRequest: true,
  analyze(view, report) {
    for (const kind of KINDS) {
      for (const resource of view.all(kind)) {
        const redirectedByCni = kind === 'Pod' && !records(resource.spec['initContainers']).some(({ name }) => name === 'istio-init');
        for (const name of Object.keys(resource.annotations)) {
          if (!isOfIstio(name) || knownAnnotations.get(name)?.stability !== 'Alpha' || IGNORED.has(name)) continue;
          if (redirectedByCni && FROM_INJECTOR.has(name)) continue;
          report('IST0136', resource, [name], `metadata.annotations.${name}`);
        }
      }
    }
  },
};
