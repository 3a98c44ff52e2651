import { analyzeMeshHosts, analyzeSidecars } from './analyzers/conflicts.ts';
import { analyzeDestinations } from './analyzers/destination.ts';
import { analyzeGateways } from './analyzers/gateway.ts';
import { analyzeInjection } from './analyzers/injection.ts';
import { analyzePortNames } from './analyzers/port-name.ts';
import { analyzeSelectors } from './analyzers/selector.ts';
import { analyzeUnreachableRules } from './analyzers/unreachable.ts';
import { formatMessage, levelOf, type Message } from './message.ts';
import type { RawObject } from './object.ts';
import { type AnalysisView, createView } from './view.ts';

export interface AnalyzeOptions {
  readonly domain?: string;
  readonly rootNamespace?: string;
}

export interface Analyzer {
  readonly name: string;
  analyze(view: AnalysisView): Message[];
}

export const analyzers: readonly Analyzer[] = [
  { name: 'virtualservice.DestinationAnalyzer', analyze: analyzeDestinations },
  { name: 'virtualservice.GatewayAnalyzer', analyze: analyzeGateways },
  { name: 'virtualservice.ConflictingMeshGatewayHostsAnalyzer', analyze: analyzeMeshHosts },
  { name: 'virtualservice.UnreachableRuleAnalyzer', analyze: analyzeUnreachableRules },
  { name: 'sidecar.SelectorAnalyzer', analyze: analyzeSidecars },
  { name: 'injection.Analyzer', analyze: analyzeInjection },
  { name: 'service.PortNameAnalyzer', analyze: analyzePortNames },
  { name: 'authz.WorkloadSelectorAnalyzer', analyze: analyzeSelectors },
];

const LEVEL_ORDER = { Error: 0, Warning: 1, Info: 2 } as const;
const SUPPRESS = 'galley.istio.io/analyze-suppress';

/** All messages of a set of objects, errors first. An object can switch codes off for itself by annotation. */
export function analyze(objects: readonly RawObject[], options: AnalyzeOptions = {}): Message[] {
  // Where an object is given twice, the later one counts, as when both are applied.
  const latest = [
    ...new Map(objects.map((object) => [key(object.kind, object.metadata.namespace, object.metadata.name), object])).values(),
  ];
  const { view, messages } = createView(latest, {
    domain: options.domain ?? 'cluster.local',
    rootNamespace: options.rootNamespace ?? 'istio-system',
  });
  const suppressed = new Map(
    objects.map((object) => [
      key(object.kind, object.metadata.namespace, object.metadata.name),
      (object.metadata.annotations[SUPPRESS] ?? '').split(',').map((code) => code.trim()),
    ]),
  );
  return [...messages, ...analyzers.flatMap((analyzer) => analyzer.analyze(view))]
    .filter(({ code, subject }) => {
      const codes = suppressed.get(key(subject.kind, subject.namespace, subject.name)) ?? [];
      return !codes.includes(code) && !codes.includes('*');
    })
    .sort(
      (a, b) => LEVEL_ORDER[levelOf(a)] - LEVEL_ORDER[levelOf(b)] || compare(a.code, b.code) || compare(formatMessage(a), formatMessage(b)),
    );
}

function key(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
