import type { CompiledRoute } from '@xebec/matching';
import type { MeshSnapshot } from '@xebec/model';
import type { FilterChain } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import type { Call } from './call.ts';
import type { Journey, Place, Verdict } from './explanation.ts';
import { passFilters } from './http-filters.ts';
import { originsOfMetadata } from './origins.ts';
import { connectionManagerOf, type ProxyResources } from './proxy-resources.ts';
import { chooseRoute, rewritten } from './route-step.ts';
import { passNetworkFilters, tcpCluster } from './tcp-step.ts';

export type Ending = Omit<Verdict, 'origins'> & Partial<Pick<Verdict, 'origins'>>;

export interface ProxyVisit {
  readonly snapshot: MeshSnapshot;
  readonly resources: ProxyResources;
  readonly call: Call;
  readonly request: RequestHead;
  readonly info: StreamInfo;
  readonly place: Place;
  readonly journey: Journey;
}

/** A call goes on to a cluster, as the route rewrote it. */
export interface Onward {
  readonly cluster: string;
  readonly request: RequestHead;
}

/** The cluster that a proxy sends a call to, or how the call ends there. */
export function throughChain(chain: FilterChain, visit: ProxyVisit): Onward | Ending {
  const { snapshot, resources, call, request, info, place, journey } = visit;
  if (!passNetworkFilters(chain, visit)) return { outcome: 'reset', text: `the ${place} proxy closes the connection: a policy denies it` };
  const manager = connectionManagerOf(chain);
  if (manager === undefined) {
    const cluster = tcpCluster(chain, call.draw, visit);
    return cluster === undefined ? { outcome: 'undeliverable', text: 'the chain has no proxy filter' } : { cluster, request };
  }
  const found = resources.routes(manager);
  const route = found === undefined ? undefined : chooseRoute(snapshot, found.table, request, { info, random: call.draw }, journey, place);
  const refused = passFilters(manager, { snapshot, call, request, info, route, place, journey });
  if (refused !== undefined) return refused;
  if (route === undefined)
    return { outcome: 'undeliverable', status: 404, text: `404 from the ${place} proxy: no route (response flag NR)` };
  return afterRoute(route, visit);
}

function afterRoute(route: CompiledRoute, { snapshot, call, request, place }: ProxyVisit): Onward | Ending {
  const origins = originsOfMetadata(snapshot, route.proto.metadata);
  switch (route.action.kind) {
    case 'forward': {
      const { name } = route.action.chooseCluster(request, call.draw);
      if (name === '') return { outcome: 'undeliverable', status: 503, text: 'the header that names the cluster is absent', origins };
      return { cluster: name, request: rewritten(route, request) };
    }
    case 'redirect':
      return {
        outcome: 'answered',
        status: route.action.status,
        text: `${route.action.status} from the ${place} proxy, to ${route.action.location(request)}`,
        origins,
      };
    case 'direct-response': {
      const { status } = route.action;
      return {
        outcome: status < 400 ? 'answered' : 'denied',
        status,
        text: `${status} from the ${place} proxy: the route answers itself`,
        origins,
      };
    }
    case 'non-forwarding':
      return { outcome: 'undeliverable', status: 404, text: 'the route forwards nothing', origins };
  }
}
