import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { accessLog, cluster, httpConnectionManager, listener, standardClusters } from '../harness/configuration.ts';
import type { AdminExchange, DifferentialCase, DifferentialFamily, Field, Json, ProxyUnderTest, Site } from '../harness/family.ts';
import type { Ask, Scene } from './scene.ts';

/** Counters that depend on when the end of a connection is noticed, or on bytes. */
const racing = /cx_active|cx_destroy|cx_length|bytes|_time|downstream_cx_rx|downstream_cx_tx|rq_active|cx_total|cx_http|rbac\.policy/;

const log: Json = {
  case: '%REQ(X-CASE)%',
  vc: '%VIRTUAL_CLUSTER_NAME%',
  type: '%RESP(CONTENT-TYPE)%',
  grpc: '%GRPC_STATUS%',
  rbac: '%DYNAMIC_METADATA(envoy.filters.http.rbac)%',
  jwt: '%DYNAMIC_METADATA(envoy.filters.http.jwt_authn)%',
  authorizer: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz)%',
  query: '%QUERY_PARAM(q)%',
  client: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
};

function statsOf(name: string): AdminExchange {
  const prefix = `http.${name}.`;
  return {
    kind: 'admin',
    path: `/stats?filter=${encodeURIComponent(`^http\\.${name}\\.`)}`,
    select: (text) =>
      Object.fromEntries(
        text
          .split('\n')
          .filter((line) => line.startsWith(prefix) && /: [1-9]\d*$/.test(line) && !racing.test(line))
          .map((line) => line.slice(prefix.length).split(': ')),
      ),
  };
}

function clusters(site: Site): Json[] {
  const four = ['a', 'b', 'c', 'd'].map((name) => site.upstream(name));
  return [...standardClusters(site), cluster('ring', four, { lb_policy: 'RING_HASH' }), cluster('maglev', four, { lb_policy: 'MAGLEV' })];
}

/** The name of the listener, of the statistics and the beginning of the cases of a scene. */
export const nameOf = (index: number): string => `s${index}`;

/**
 * One family of many scenes. Listeners come by a watched file, so that one that is refused leaves the others as they are: asking
 * it gives `not connected`.
 */
export function sceneFamily(name: string, scenes: readonly Scene[], withStats = true): DifferentialFamily {
  return {
    name,
    about: 'random configurations and requests',
    bootstrap: (site) => {
      const listeners = scenes.map((scene, i) => ({
        '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
        ...listener(site, nameOf(i), [
          httpConnectionManager(site, [], {
            stat_prefix: nameOf(i),
            route_config: { name: nameOf(i), ...scene.routes },
            ...scene.manager,
            access_log: [accessLog(site, log)],
          }),
        ]),
      }));
      const file = join(site.directory, 'lds.json');
      writeFileSync(file, JSON.stringify({ resources: listeners }, undefined, 1));
      return {
        node: { id: 'random', cluster: 'random' },
        layered_runtime: {
          layers: [{ name: 'static', static_layer: { routes: { on: 100, off: 0 }, weights: { a: 0, b: 0, c: 0, d: 10 } } }],
        },
        dynamic_resources: { lds_config: { path_config_source: { path: file } } },
        static_resources: { clusters: clusters(site) },
      };
    },
    cases: scenes.flatMap((scene, i): DifferentialCase[] => {
      const mirrors = JSON.stringify(scene.routes).includes('mirror');
      const asks = scene.asks.map((one, j): DifferentialCase => {
        const id = `${nameOf(i)} ${j}`;
        return { name: id, does: [], run: async (proxy) => await observeAsk(one, id, nameOf(i), proxy, mirrors) };
      });
      return withStats ? [...asks, { name: `${nameOf(i)} stats`, does: statsOf(nameOf(i)) }] : asks;
    }),
  };
}

/** Of the authorizer's answer, in metadata. Headers are pairs, not keys. */
const timings: ReadonlySet<string> = new Set(['ext_authz_duration', 'x-envoy-upstream-service-time']);

/** Lines of the log say whose they are, so that one that is late or too many is not taken for the next one's. */
async function observeAsk(
  { does, replies, answers }: Ask,
  id: string,
  to: string,
  proxy: ProxyUnderTest,
  mirrors: boolean,
): Promise<unknown> {
  proxy.reply(answers ?? replies ?? {});
  proxy.takeSeen();
  await proxy.takeLog(0);
  const headers: readonly Field[] = [...(does.headers ?? []), ['x-case', id.replace(' ', '-')]];
  const answer = await proxy.exchange({ ...does, headers, to, timeoutMs: 2000 });
  if (answer === 'not connected') return { answer };
  const log: Json[] = [];
  for (const end = Date.now() + 400; log.length === 0 && Date.now() < end; await wait(5))
    log.push(...(await proxy.takeLog(0)).filter((line) => line['case'] === id.replace(' ', '-') || line['case'] === null));
  // Copies of requests arrive when they do.
  if (mirrors) await wait(30);
  const seen = [...proxy.takeSeen()];
  if (mirrors) seen.sort((a, b) => (a.upstream + a.line < b.upstream + b.line ? -1 : 1));
  return JSON.parse(JSON.stringify({ answer, seen, log }), (key, value: unknown) =>
    // Whether the end of the request is read before the answer is out is a race.
    (key === 'cut' && value === 'RST_STREAM 0') || timings.has(key) ? undefined : value,
  );
}
