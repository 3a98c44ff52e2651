import { fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { type CheckCall, decodeCheckCall, decodeReportCall, type ReportCall } from '@xebec/expressions';
import { CheckResponseSchema } from '@xebec/protos/istio/mixer/v1/mixer';
import { TcpMixerClientSchema } from '@xebec/protos/xebec/filters/network/mixer/v1/mixer';
import { createStreamInfo } from '@xebec/telemetry';
import { describe, expect, it } from 'vitest';
import { settle } from '../../http/mixer/test-mixer.ts';
import { configBytes, testConnection, testContext } from '../../test-harness.ts';
import { networkMixerDefinition } from './config.ts';

function connect(answer: JsonValue | Error, client: Record<string, JsonValue> = {}, more: Record<string, JsonValue> = {}) {
  const checks: CheckCall[] = [];
  const reports: ReportCall[] = [];
  const { context, clock } = testContext({
    upstream: {
      http: () => Promise.reject(new Error('not used')),
      grpcUnary: async (_, path, bytes) => {
        if (path.endsWith('/Report')) {
          const report = decodeReportCall(Buffer.from(bytes));
          if (report.ok) reports.push(report.value);
          return new Uint8Array();
        }
        const check = decodeCheckCall(Buffer.from(bytes));
        if (check.ok) checks.push(check.value);
        if (answer instanceof Error) throw answer;
        return toBinary(CheckResponseSchema, fromJson(CheckResponseSchema, answer));
      },
    },
  });
  const config = { client: { checkCluster: 'policy', reportCluster: 'telemetry', ...client }, ...more };
  const factory = networkMixerDefinition.compile(configBytes(TcpMixerClientSchema, config), TcpMixerClientSchema.typeName, context);
  const did: string[] = [];
  const start = (id = 1) => {
    const connection = testConnection({ id });
    const info = createStreamInfo(connection, clock.now(), clock.monotonic());
    const filter = factory.create({
      connection,
      info,
      continueReading: () => did.push('continue'),
      write: () => undefined,
      close: (how, _, flag) => did.push(`close ${how} ${flag}`),
      setTimeout: (fn, delayMs) => clock.setTimeout(fn, delayMs),
    });
    return { filter, info };
  };
  return { start, did, checks, reports, clock };
}

describe('xebec.filters.network.mixer', () => {
  it('asks when a connection comes and holds its bytes until it may go on', async () => {
    const { start, did, checks } = connect({ precondition: { validDuration: '1s', validUseCount: 5, referencedAttributes: {} } });
    const { filter } = start();
    expect([filter.onNewConnection?.(), filter.onData?.(Buffer.from('a'), false)]).toEqual(['stop', 'stop']);
    await settle();
    expect([did, filter.onData?.(Buffer.from('b'), false)]).toEqual([['continue'], 'continue']);
    const { filter: second } = start(2);
    expect([second.onNewConnection?.(), checks.length]).toEqual(['continue', 1]);
    const value = (name: string) => checks[0]?.bag.get(name)?.value;
    expect([value('context.protocol'), value('destination.port')]).toEqual(['tcp', 9080n]);
    expect(value('connection.event')).toBe(undefined);
  });
  it.each<[string, JsonValue | Error, JsonValue, string[]]>([
    ['a refusal', { precondition: { status: { code: 7 } } }, 'FAIL_OPEN', ['close now UAEX']],
    ['a Mixer that is away', new Error('away'), 'FAIL_CLOSE', ['close now UAEX']],
    ['a Mixer that is away', new Error('away'), 'FAIL_OPEN', ['continue']],
    ['an exhausted quota', { precondition: {}, quotas: { connections: { grantedAmount: '0' } } }, 'FAIL_OPEN', ['close now UAEX']],
  ])('after %s (%j, %s)', async (_, answer, failPolicy, expected) => {
    const { start, did, reports, clock } = connect(
      answer,
      { failPolicy },
      { quotaRules: [{ quotas: [{ quota: 'connections', charge: '1' }] }] },
    );
    const { filter } = start();
    filter.onNewConnection?.();
    await settle();
    await settle();
    expect(did).toEqual(expected);
    filter.onClose?.();
    clock.advance(1000);
    await settle();
    const events = reports.flatMap(({ bags }) => bags).map((bag) => bag.get('connection.event')?.value);
    expect(events).toEqual(expected[0] === 'continue' ? ['open', 'close'] : []);
  });
  it('tells of opening, each interval, and the end, with bytes since the last time', async () => {
    const { start, reports, clock } = connect({}, { checkCluster: '', reportBatchMaxTime: '1s' });
    const { filter, info } = start(7);
    filter.onNewConnection?.();
    filter.onUpstreamConnected?.();
    info.bytesReceived = 10;
    info.bytesSent = 100;
    clock.advance(10_000);
    info.bytesReceived = 15;
    clock.advance(5_000);
    filter.onClose?.();
    clock.advance(1_000);
    await settle();
    const bags = reports.flatMap((report) => report.bags);
    const told = bags.map((bag) =>
      ['connection.event', 'connection.received.bytes', 'connection.received.bytes_total', 'connection.sent.bytes'].map(
        (name) => bag.get(name)?.value,
      ),
    );
    expect(told).toEqual([
      ['open', 0n, 0n, 0n],
      ['continue', 10n, 10n, 100n],
      ['close', 5n, 15n, 0n],
    ]);
    expect(bags.map((bag) => bag.get('connection.duration')?.value)).toEqual([undefined, undefined, 15_000_000_000n]);
    expect(new Set(bags.map((bag) => bag.get('connection.id')?.value)).size).toBe(1);
    clock.advance(60_000);
    await settle();
    expect(reports.flatMap((report) => report.bags)).toHaveLength(3);
  });
});
