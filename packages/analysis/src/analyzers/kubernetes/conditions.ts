import type { Analyzer } from '../../analyzer.ts';
import { type Fields, records, text } from '../../fields.ts';
import type { AnalysedKind, Resource } from '../../resource.ts';

const ROUTE = ['Accepted', 'Programmed', 'ResolvedRefs'];
const WAYPOINT = ['istio.io/WaypointBound'];

/** Conditions that must not be False, by kind. */
const NEEDED: Readonly<Partial<Record<AnalysedKind, readonly string[]>>> = {
  Service: WAYPOINT,
  ServiceEntry: WAYPOINT,
  WorkloadEntry: WAYPOINT,
  AuthorizationPolicy: ['ZtunnelAccepted', 'WaypointAccepted'],
  KubernetesGateway: ROUTE,
  HTTPRoute: ROUTE,
  GRPCRoute: ROUTE,
};
const KINDS: readonly AnalysedKind[] = [
  'Service',
  'ServiceEntry',
  'WorkloadEntry',
  'AuthorizationPolicy',
  'KubernetesGateway',
  'HTTPRoute',
  'GRPCRoute',
];

/** IST0171: a controller has written into the status that the object does not work. */
export const conditions: Analyzer = {
  name: 'conditions.ConditionAnalyzer',
  description: 'Checks for negative status conditions on resources',
  inputs: KINDS,
  codes: ['IST0171'],
  analyze(view, report) {
    for (const kind of KINDS) {
      for (const resource of view.all(kind)) {
        for (const condition of conditionsOf(resource)) {
          const type = text(condition['type']);
          const reason = text(condition['reason']);
          const negative = condition['status'] === 'False' && NEEDED[kind]?.includes(type) === true;
          const partial = kind === 'AuthorizationPolicy' && type === 'WaypointAccepted' && reason === 'PartiallyInvalid';
          if (negative || partial) report('IST0171', resource, [type, reason, text(condition['message'])], 'status.conditions');
        }
      }
    }
  },
};

function conditionsOf({ kind, status }: Resource): readonly Fields[] {
  if (kind !== 'HTTPRoute' && kind !== 'GRPCRoute') return records(status['conditions']);
  return records(status['parents']).flatMap((parent) => records(parent['conditions']));
}
