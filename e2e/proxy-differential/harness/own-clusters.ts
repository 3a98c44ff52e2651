import { cluster, httpConnectionManager, listener, virtualHost } from './configuration.ts';
import type { AdminExchange, DifferentialCase, DifferentialFamily, Exchange, Json, PauseExchange, Site } from './family.ts';

/** A case with a cluster, a route and so statistics of its own, which are compared after its exchanges. */
export interface OwnClusterCase extends Omit<DifferentialCase, 'does'> {
  /** Paths of requests get the case's prefix; write `/one`. */
  readonly does: Exchange | readonly Exchange[];
  /** Upstreams or peers of the cluster, or ports by number. `a`. */
  readonly hosts?: readonly (string | number)[];
  /** Fields of the cluster. */
  readonly cluster?: Json | ((site: Site) => Json);
  /** Fields of the route's action. */
  readonly route?: Json;
  /** Statistics of the cluster that are left out, `name*` by their beginning: those that are a race. */
  readonly ignoreStats?: readonly string[];
  /** Waits before the statistics are read, where something has yet to happen. 30. */
  readonly settleMs?: number;
}

const nameOf = (index: number): string => `own_${index}`;

/** Cluster statistics that are not zero, but for histograms and what depends on when a connection's end is noticed. */
function statsOf(name: string, ignored: readonly string[]): AdminExchange {
  const prefix = `cluster.${name}.`;
  return {
    kind: 'admin',
    path: `/stats?filter=${encodeURIComponent(`^cluster\\.${name}\\.`)}`,
    select: (text) =>
      Object.fromEntries(
        text
          .split('\n')
          .filter((line) => line.startsWith(prefix) && /: [1-9]\d*$/.test(line))
          .map((line) => line.slice(prefix.length).split(': '))
          .filter(
            ([stat = '']) =>
              !ignored.some((one) => (one.endsWith('*') ? stat.startsWith(one.slice(0, -1)) : one === stat)) &&
              !stat.includes('bytes_buffered') &&
              !stat.startsWith('http2.'),
          )
          .sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
      ),
  };
}

/** What `/clusters` says of the hosts of a cluster. */
export function hostsOf(name: string): AdminExchange {
  return {
    kind: 'admin',
    path: '/clusters',
    select: (text) =>
      text
        .split('\n')
        .filter((line) => line.startsWith(`${name}::`) && !line.startsWith(`${name}::observability_name`))
        .sort(),
  };
}

/** The bootstrap and the cases of a family whose cases have clusters of their own. */
export function ownClusters(
  cases: readonly OwnClusterCase[],
  options: { readonly manager?: Json; readonly log?: Json; readonly bootstrap?: (site: Site) => Json; readonly defaultHost?: string } = {},
): Pick<DifferentialFamily, 'bootstrap' | 'cases' | 'connections'> {
  return {
    connections: true,
    bootstrap(site) {
      const clusters = cases.map(({ hosts = [options.defaultHost ?? 'a'], cluster: own }, i) =>
        cluster(
          nameOf(i),
          hosts.map((host) => (typeof host === 'number' ? host : host === 'dead' ? site.deadPort : site.upstream(host))),
          typeof own === 'function' ? own(site) : own,
        ),
      );
      const routes = cases.map(({ route }, i) => ({ match: { prefix: `/${nameOf(i)}/` }, route: { cluster: nameOf(i), ...route } }));
      const more = options.bootstrap?.(site) ?? {};
      return {
        static_resources: {
          listeners: [listener(site, 'http', [httpConnectionManager(site, [virtualHost(routes)], options.manager)])],
          clusters,
        },
        ...more,
      };
    },
    cases: cases.map(({ hosts, cluster: own, route, ignoreStats, settleMs, does, ...rest }, i) => {
      const list: readonly Exchange[] = Array.isArray(does) ? does : [does as Exchange];
      const pause: PauseExchange = { kind: 'pause', ms: settleMs ?? 30 };
      return {
        ...rest,
        does: [...list.map((one) => prefixed(one, nameOf(i))), pause, statsOf(nameOf(i), ignoreStats ?? []), hostsOf(nameOf(i))],
      };
    }),
  };
}

function prefixed(what: Exchange, name: string): Exchange {
  if (what.kind === 'admin' || what.kind === 'pause' || what.kind === 'tcp') return what;
  if (what.kind === 'http2') return { ...what, path: `/${name}${what.path ?? '/'}` };
  if (what.raw === undefined) return { ...what, path: `/${name}${what.path ?? '/'}` };
  const raw =
    typeof what.raw === 'string' ? what.raw.replaceAll('/OWN', `/${name}`) : what.raw.map((part) => part.replaceAll('/OWN', `/${name}`));
  return { ...what, raw };
}
