import { HttpInspectorSchema } from '@xebec/protos/envoy/extensions/filters/listener/http_inspector/v3/http_inspector';
import type { StatsScope } from '@xebec/telemetry';
import { sniffProtocol } from '@xebec/wire';
import type { ListenerFilter } from './listener-filter.ts';

export const httpInspectorType = HttpInspectorSchema.typeName;

/** `envoy.filters.listener.http_inspector`: whether plain bytes begin an HTTP/1.0, HTTP/1.1 or HTTP/2 connection. */
export function createHttpInspector(stats: StatsScope): ListenerFilter {
  const scope = stats.scope('http_inspector');
  scope.counter('read_error');
  const found = {
    'http/1.0': scope.counter('http10_found'),
    'http/1.1': scope.counter('http11_found'),
    h2c: scope.counter('http2_found'),
    unknown: scope.counter('http_not_found'),
  };
  return {
    inspect(bytes, findings) {
      if (findings.transportProtocol === 'tls') return 0;
      const sniffed = sniffProtocol(bytes);
      if (sniffed === 'need-more') return 'need-more';
      const protocol = sniffed === 'tls' ? 'unknown' : sniffed;
      found[protocol].add(1);
      if (protocol !== 'unknown') findings.applicationProtocols = [protocol];
      return 0;
    },
  };
}
