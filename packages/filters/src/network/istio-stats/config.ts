import { PluginConfigSchema } from '@xebec/protos/istio/filters/stats';
import { compileStatsConfig, type StatsFilterConfig } from '../../http/istio-stats/config.ts';
import { connectionLabels, type Labels } from '../../http/istio-stats/labels.ts';
import type { Handle, StandardMetric } from '../../http/istio-stats/metrics.ts';
import type { NetworkFilter, NetworkFilterCallbacks, NetworkFilterDefinition } from '../../network-filter.ts';
import { awaitedPeerKey, downstreamPeerKey, upstreamPeerKey } from '../../peer/workload-peer.ts';

export const tcpStatsDefinition: NetworkFilterDefinition = {
  name: 'istio.stats',
  typeNames: [PluginConfigSchema.typeName],
  compile(bytes, _, context) {
    const config = compileStatsConfig(bytes, context);
    return { create: (callbacks) => new TcpStatsFilter(config, callbacks) };
  },
};

/**
 * Counts a connection: its opening once the upstream is known, its bytes from time to time and at the end, its closing. The labels
 * are those of the first report, so that what opened and what closed add up: where the peer may still introduce itself, the first
 * report waits for it until the end.
 */
class TcpStatsFilter implements NetworkFilter {
  readonly #config: StatsFilterConfig;
  readonly #callbacks: NetworkFilterCallbacks;
  #labels: Labels | undefined = undefined;
  #values: readonly string[] = [];
  #sent = 0;
  #received = 0;
  #cancel: (() => void) | undefined = undefined;

  constructor(config: StatsFilterConfig, callbacks: NetworkFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }
  onUpstreamConnected(): void {
    this.#report();
    this.#again();
  }
  onClose(): void {
    this.#cancel?.();
    this.#report(true);
    this.#metric('tcp_connections_closed_total')?.add(1);
    const { family } = this.#config;
    for (const metric of family.ownMetrics) {
      const amount = Number(this.#values[metric.value]);
      const handle = family.own(metric, this.#values);
      if (metric.kind === 'gauge') handle.set(amount || 0);
      else handle.add(amount || 0);
    }
  }
  #again(): void {
    const { intervalMs } = this.#config;
    if (intervalMs <= 0) return;
    this.#cancel = this.#callbacks.setTimeout(() => {
      this.#report();
      this.#again();
    }, intervalMs);
  }
  #report(ended = false): void {
    const { info } = this.#callbacks;
    if (this.#labels === undefined) {
      if (!ended && info.hasFilterState !== false && info.filterState.has(this.#awaitedKey)) return;
      this.#labels = connectionLabels(info, this.#config.options);
      this.#values = this.#config.expressions.values({ info });
      this.#metric('tcp_connections_opened_total')?.add(1);
    }
    this.#metric('tcp_sent_bytes_total')?.add(info.bytesSent - this.#sent);
    this.#metric('tcp_received_bytes_total')?.add(info.bytesReceived - this.#received);
    this.#sent = info.bytesSent;
    this.#received = info.bytesReceived;
  }
  get #awaitedKey(): string {
    return awaitedPeerKey(this.#config.options.reporter === 'source' ? upstreamPeerKey : downstreamPeerKey);
  }
  #metric(name: StandardMetric): Handle | undefined {
    return this.#config.family.handle(name, this.#labels ?? {}, this.#values);
  }
}
