import { durationMs } from '@xebec/matching';
import { PluginConfigSchema } from '@xebec/protos/istio/filters/stats';
import { responseFlagsText } from '@xebec/telemetry';
import { decodeConfig } from '../../decode.ts';
import { compileDimensions, labelOptions } from '../../http/istio-stats/config.ts';
import { connectionLabels, type LabelOptions, type Labels } from '../../http/istio-stats/labels.ts';
import { MetricFamily } from '../../http/istio-stats/metrics.ts';
import type { NetworkFilter, NetworkFilterCallbacks, NetworkFilterDefinition } from '../../network-filter.ts';

const kinds: ReadonlyMap<string, 'counter' | 'histogram'> = new Map([
  ['istio_tcp_sent_bytes_total', 'counter'],
  ['istio_tcp_received_bytes_total', 'counter'],
  ['istio_tcp_connections_opened_total', 'counter'],
  ['istio_tcp_connections_closed_total', 'counter'],
]);

export const tcpStatsDefinition: NetworkFilterDefinition = {
  name: 'istio.stats',
  typeNames: [PluginConfigSchema.typeName],
  compile(bytes, _, context) {
    const config = decodeConfig(PluginConfigSchema, bytes);
    const family = new MetricFamily(context.stats, kinds, config.metrics);
    const options = labelOptions(context, config.disableHostHeaderFallback);
    const dimensions = compileDimensions(config.metrics, context);
    const intervalMs = config.tcpReportingDuration === undefined ? 5000 : durationMs(config.tcpReportingDuration);
    const handles = (callbacks: NetworkFilterCallbacks) => {
      const added: Labels = {};
      for (const [name, compute] of dimensions) added[name] = compute({ info: callbacks.info });
      return family.handles(tcpLabels(callbacks, options), added);
    };
    return { create: (callbacks) => createFilter(callbacks, handles, intervalMs) };
  },
};

function tcpLabels({ info }: NetworkFilterCallbacks, options: LabelOptions): Labels {
  const { source, destination, policy } = connectionLabels(info, undefined, options);
  return {
    reporter: options.reporter,
    ...source,
    ...destination,
    request_protocol: 'tcp',
    response_flags: responseFlagsText(info.responseFlags),
    connection_security_policy: policy,
  };
}

/** Counts the opening once the upstream is known, bytes from time to time and at the end. */
function createFilter(
  callbacks: NetworkFilterCallbacks,
  handles: (callbacks: NetworkFilterCallbacks) => ReturnType<MetricFamily['handles']>,
  intervalMs: number,
): NetworkFilter {
  const { info } = callbacks;
  let opened = false;
  let sent = 0;
  let received = 0;
  let cancel: (() => void) | undefined;
  const report = (): void => {
    const current = handles(callbacks);
    if (!opened) {
      opened = true;
      current.get('istio_tcp_connections_opened_total')?.add(1);
    }
    current.get('istio_tcp_sent_bytes_total')?.add(info.bytesSent - sent);
    current.get('istio_tcp_received_bytes_total')?.add(info.bytesReceived - received);
    sent = info.bytesSent;
    received = info.bytesReceived;
  };
  const tick = (): void => {
    report();
    cancel = callbacks.setTimeout(tick, intervalMs);
  };
  return {
    onUpstreamConnected: tick,
    onClose() {
      cancel?.();
      report();
      handles(callbacks).get('istio_tcp_connections_closed_total')?.add(1);
    },
  };
}
