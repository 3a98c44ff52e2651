import type { CompiledRoute } from '@xebec/matching';
import type { RequestHead } from '@xebec/wire';
import type { ClusterStats } from '../clusters/cluster-stats.ts';
import type { Host } from '../clusters/host.ts';
import type { ResponseStats } from '../clusters/response-stats.ts';
import type { HttpSettings } from './http-settings.ts';
import { isInternal } from './request-headers.ts';
import { routeStats } from './route-stats.ts';

const noParts: readonly ResponseStats[] = [];

/** Counts what one request's client gets, in all parts of the statistics that tell of it. */
export class AnswerStats {
  readonly #cluster: ClusterStats;
  readonly #settings: HttpSettings;
  readonly #request: RequestHead;
  /** Virtual cluster and route, where they are counted apart. */
  readonly #parts: readonly ResponseStats[];
  /** The answer comes from a canary. */
  canary = false;

  constructor(
    cluster: ClusterStats,
    settings: HttpSettings,
    route: CompiledRoute,
    virtualCluster: string | undefined,
    request: RequestHead,
  ) {
    this.#cluster = cluster;
    this.#settings = settings;
    this.#request = request;
    const apart = virtualCluster !== undefined || route.proto.statPrefix !== '';
    this.#parts = apart ? routeStats(settings.stats.root, route, virtualCluster) : noParts;
  }
  /** `host` is the one that was tried last, if any was. */
  answered(status: number, host: Host | undefined): void {
    const cluster = this.#cluster;
    cluster.status(status, isInternal(this.#request));
    if (this.canary) cluster.part('canary').charge(status);
    const zones = this.#zones(host);
    if (zones !== undefined) cluster.part(zones).charge(status);
    for (const part of this.#parts) part.charge(status);
  }
  interim(status: number): void {
    this.#cluster.status(status, isInternal(this.#request));
  }
  /** The whole response has come from upstream, so long after the request's end. */
  took(ms: number, host: Host | undefined): void {
    const cluster = this.#cluster;
    const tookMs = Math.max(0, Math.round(ms));
    cluster.rqTime.record(tookMs);
    cluster.part(isInternal(this.#request) ? 'internal' : 'external').time(tookMs);
    if (this.canary) cluster.part('canary').time(tookMs);
    const zones = this.#zones(host);
    if (zones !== undefined) cluster.part(zones).time(tookMs);
    for (const part of this.#parts) part.time(tookMs);
  }
  /** What virtual cluster and route count as well as the cluster, such as `upstream_rq_retry`. */
  countInParts(name: string): void {
    for (const part of this.#parts) part.count(name);
  }
  /** `zone.<own>.<host's>` where both are known. */
  #zones(host: Host | undefined): string | undefined {
    const zone = host?.config.locality?.zone;
    return zone === undefined || zone === '' ? undefined : this.#settings.zonePart(zone);
  }
}
