import type { DescMessage, JsonValue } from '@bufbuild/protobuf';
import { ConnectionLimitSchema } from '@xebec/protos/envoy/extensions/filters/network/connection_limit/v3/connection_limit';
import { ConfigSchema } from '@xebec/protos/envoy/extensions/filters/network/direct_response/v3/config';
import { EchoSchema } from '@xebec/protos/envoy/extensions/filters/network/echo/v3/echo';
import { LocalRateLimitSchema } from '@xebec/protos/envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit';
import { RBACSchema } from '@xebec/protos/envoy/extensions/filters/network/rbac/v3/rbac';
import { SniClusterSchema } from '@xebec/protos/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster';
import { PluginConfigSchema } from '@xebec/protos/istio/filters/stats';
import { type ConnectionInfo, createStreamInfo } from '@xebec/telemetry';
import { describe, expect, it } from 'vitest';
import { type NetworkFilterDefinition, tcpProxyClusterKey } from '../network-filter.ts';
import { configBytes, testConnection, testContext } from '../test-harness.ts';
import { connectionLimitDefinition } from './connection-limit/config.ts';
import { directResponseDefinition } from './direct-response/config.ts';
import { echoDefinition } from './echo/config.ts';
import { tcpStatsDefinition } from './istio-stats/config.ts';
import { networkLocalRateLimitDefinition } from './local-ratelimit/config.ts';
import { networkRbacDefinition } from './rbac/config.ts';
import { sniClusterDefinition } from './sni-cluster/config.ts';

function chain(definition: NetworkFilterDefinition, schema: DescMessage, json: JsonValue) {
  const { context, clock, statsText } = testContext();
  const factory = definition.compile(configBytes(schema, json), schema.typeName, context);
  const connect = (changes: Partial<ConnectionInfo> = {}) => {
    const connection = testConnection(changes);
    const info = createStreamInfo(connection, 0, 0);
    const written: string[] = [];
    const closed: string[] = [];
    const filter = factory.create({
      connection,
      info,
      continueReading: () => undefined,
      write: (data) => written.push(data.toString()),
      close: (how, details, flag) => closed.push(`${how} ${details} ${flag ?? '-'}`),
      setTimeout: (fn, ms) => clock.setTimeout(fn, ms),
    });
    return { filter, info, written, closed };
  };
  return { connect, clock, statsText };
}

describe('network filters', () => {
  it('echo writes back what it reads', () => {
    const { filter, written } = chain(echoDefinition, EchoSchema, {}).connect();
    expect(filter.onData?.(Buffer.from('hi'), false)).toBe('stop');
    expect(written).toEqual(['hi']);
  });
  it('direct_response answers and closes', () => {
    const { filter, info, written, closed } = chain(directResponseDefinition, ConfigSchema, {
      response: { inlineString: 'bye' },
    }).connect();
    expect(filter.onNewConnection?.()).toBe('stop');
    expect([written, closed]).toEqual([['bye'], ['flush  -']]);
    expect(info.responseCodeDetails).toBe('direct_response');
  });
  it('rbac decides on the first bytes', () => {
    const subject = chain(networkRbacDefinition, RBACSchema, {
      statPrefix: 'tcp.',
      rules: {
        policies: {
          'ns[a]-policy[b]-rule[0]': {
            permissions: [{ destinationPort: 9080 }],
            principals: [{ remoteIp: { addressPrefix: '10.0.0.0', prefixLen: 8 } }],
          },
        },
      },
    });
    const friend = subject.connect();
    expect(friend.filter.onData?.(Buffer.from('x'), false)).toBe('continue');
    const stranger = subject.connect({ remoteAddress: '192.168.0.1' });
    expect(stranger.filter.onData?.(Buffer.from('x'), false)).toBe('stop');
    expect(stranger.closed).toEqual(['now rbac_access_denied_matched_policy[none] -']);
    expect(stranger.info.connectionTerminationDetails).toBe('rbac_access_denied_matched_policy[none]');
    expect(subject.statsText()).toBe('tcp.rbac.allowed: 1\ntcp.rbac.denied: 1\n');
  });
  it('connection_limit refuses what is over the limit and frees what has closed', () => {
    const subject = chain(connectionLimitDefinition, ConnectionLimitSchema, { statPrefix: 'p', maxConnections: '1' });
    const first = subject.connect();
    expect(first.filter.onNewConnection?.()).toBe('continue');
    const second = subject.connect();
    expect(second.filter.onNewConnection?.()).toBe('stop');
    expect(second.closed).toHaveLength(1);
    second.filter.onClose?.();
    first.filter.onClose?.();
    expect(subject.connect().filter.onNewConnection?.()).toBe('continue');
    expect(subject.statsText()).toContain('connection_limit.p.limited_connections: 1');
  });
  it('local_ratelimit gives tokens back with time', () => {
    const subject = chain(networkLocalRateLimitDefinition, LocalRateLimitSchema, {
      statPrefix: 'p',
      tokenBucket: { maxTokens: 1, fillInterval: '1s' },
    });
    const open = () => subject.connect().filter.onNewConnection?.();
    expect([open(), open()]).toEqual(['continue', 'stop']);
    subject.clock.advance(1000);
    expect(open()).toBe('continue');
  });
  it('sni_cluster names the cluster', () => {
    const { filter, info } = chain(sniClusterDefinition, SniClusterSchema, {}).connect({ requestedServerName: 'outbound_.80_._.a.b' });
    filter.onNewConnection?.();
    expect(info.filterState.get(tcpProxyClusterKey)).toBe('outbound_.80_._.a.b');
  });
  it('istio.stats counts connections and bytes', () => {
    const subject = chain(tcpStatsDefinition, PluginConfigSchema, {});
    const { filter, info } = subject.connect();
    filter.onUpstreamConnected?.();
    info.bytesReceived = 3;
    subject.clock.advance(5000);
    info.bytesReceived = 10;
    info.bytesSent = 4;
    filter.onClose?.();
    const text = subject.statsText();
    expect(text).toMatch(/istio_tcp_received_bytes_total\..*: 10\n/);
    expect(text).toMatch(/istio_tcp_sent_bytes_total\..*: 4\n/);
    expect(text).toMatch(/istio_tcp_connections_opened_total\..*: 1\n/);
    expect(text).toMatch(/istio_tcp_connections_closed_total\..*: 1\n/);
    expect(subject.clock.pending).toBe(0);
  });
  it('istio.stats counts what opened and what closed under the same labels', () => {
    const subject = chain(tcpStatsDefinition, PluginConfigSchema, {});
    const { filter, info } = subject.connect();
    filter.onUpstreamConnected?.();
    info.responseFlags.add('UR');
    filter.onClose?.();
    const refused = subject.connect();
    refused.info.responseFlags.add('UF').add('URX');
    refused.filter.onClose?.();
    const flags = [...subject.statsText().matchAll(/istio_tcp_connections_(\w+)_total\..*response_flags\.([^.]*)\..*: (\d+)/g)];
    expect(flags.map((match) => match.slice(1).join(' '))).toEqual(['closed - 1', 'closed UF,URX 1', 'opened - 1', 'opened UF,URX 1']);
  });
});
