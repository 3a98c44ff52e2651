import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { AccessLogSchema } from '@xebec/protos/envoy/config/accesslog/v3/accesslog';
import { createProtoRegistry } from '@xebec/protos/registry';
import { describe, expect, it } from 'vitest';
import type { FormatContext } from '../format/context.ts';
import { testStreamInfo } from '../test-stream-info.ts';
import { compileAccessLog } from './access-log.ts';
import { compileCondition } from './condition.ts';
import { istioJsonFormat, istioTextFormat } from './default-formats.ts';

const registry = createProtoRegistry();
const matchers = { header: () => () => true, metadata: () => () => true, random: () => 0.5 };
const file = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';
const log = (config: Record<string, JsonValue>, filter?: JsonValue) =>
  compileAccessLog(
    fromJson(
      AccessLogSchema,
      { name: 'f', ...(filter === undefined ? {} : { filter }), typedConfig: { '@type': file, path: '/dev/stdout', ...config } },
      { registry },
    ),
    { matchers, environment: { env: { POD: 'p' }, hostname: 'h' } },
  );

const context: FormatContext = {
  info: testStreamInfo(),
  request: { method: 'GET', path: '/a?b=c', authority: 'host', scheme: 'http', headers: ['user-agent', 'curl', 'x-request-id', 'id'] },
  response: { status: 200, headers: ['x-envoy-upstream-service-time', '4'] },
};

describe('access logs', () => {
  it('writes the line that Istio configures', () => {
    expect(log({ logFormat: { textFormatSource: { inlineString: istioTextFormat } } }).line(context)).toBe(
      '[2026-11-21T04:05:06.078Z] "GET /a?b=c HTTP/1.1" 200 - via_upstream - "-" 1 2 7 4 "-" "curl" "id" "host" "127.0.0.1:9080" ' +
        'inbound|9080|| 127.0.0.6:1234 10.0.0.2:9080 10.0.0.1:40000 - default\n',
    );
  });
  it('writes JSON with numbers and nulls', () => {
    const line = log({ logFormat: { jsonFormat: { ...istioJsonFormat, pod: 'pod %ENVIRONMENT(POD)% on %HOSTNAME%' } } }).line(context);
    expect(JSON.parse(line ?? '')).toMatchObject({
      response_code: 200,
      duration: 7,
      x_forwarded_for: null,
      method: 'GET',
      pod: 'pod p on h',
    });
  });
  it.each<[string, string]>([
    ['%REQ(X-ENVOY-ORIGINAL-PATH?:PATH):3%', '/a?'],
    ['%START_TIME(%Y/%m/%dT%H:%M:%S.%3f %s)%', '2026/11/21T04:05:06.078 1795233906'],
    ['100%% %RESPONSE_FLAGS_LONG%', '100% -'],
    ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%', '10.0.0.1 9080'],
    ['%REQ_WITHOUT_QUERY(:PATH)% %QUERY_PARAM(b)%', '/a c'],
    ['%DYNAMIC_METADATA(a:b)%', '-'],
  ])('%s', (format, expected) => expect(log({ logFormat: { textFormat: format } }).line(context)).toBe(expected));
  it.each<[string, JsonValue, boolean]>([
    ['status', { statusCodeFilter: { comparison: { op: 'GE', value: { defaultValue: 400, runtimeKey: 'k' } } } }, false],
    ['duration', { durationFilter: { comparison: { op: 'LE', value: { defaultValue: 8, runtimeKey: 'k' } } } }, true],
    ['flags', { responseFlagFilter: { flags: ['NR'] } }, false],
    ['runtime', { runtimeFilter: { runtimeKey: 'k', percentSampled: { numerator: 60 } } }, true],
    ['or', { orFilter: { filters: [{ responseFlagFilter: {} }, { notHealthCheckFilter: {} }] } }, true],
    ['and', { andFilter: { filters: [{ traceableFilter: {} }, { notHealthCheckFilter: {} }] } }, false],
    ['grpc', { grpcStatusFilter: { statuses: ['UNKNOWN'] } }, true],
  ])('filters by %s', (_, filter, kept) => expect(log({ format: 'x' }, filter).line(context)).toBe(kept ? 'x' : undefined));
  it('says which operator it does not know', () => {
    expect(() => log({ format: '%NOPE%' })).toThrow('access log "f": format operator %NOPE% is not supported');
    expect(() => log({ format: '50% off' })).toThrow('bad operator at position 2');
  });
});

describe('conditions', () => {
  it.each<[string, boolean]>([
    ['response.code >= 400', false],
    ['response.code == 200 && request.method == "GET"', true],
    ["!(request.url_path.startsWith('/b')) || false", true],
    ["request.headers['user-agent'] == 'curl'", true],
    ["has(request.headers['x-none'])", false],
    // What is missing compares with nothing, as in CEL.
    ["request.headers['x-none'] != 'a'", false],
    ["!(request.headers['x-none'] == 'a')", false],
    ["request.headers['x-none'] == 'a' || response.code == 200", true],
    ["!has(request.headers['x-none']) && response.code == 200", true],
  ])('%s', (source, expected) => expect(compileCondition(source)(context)).toBe(expected));
  it.each(['response.code >', 'response.code >= 400 )', '@'])('refuses %s', (source) => {
    expect(() => compileCondition(source)).toThrow(/^condition/);
  });
});
