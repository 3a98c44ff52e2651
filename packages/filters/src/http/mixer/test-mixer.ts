import { fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import { type CheckCall, decodeCheckCall, decodeReportCall, type ReportCall } from '@xebec/expressions';
import { CheckResponseSchema } from '@xebec/protos/istio/mixer/v1/mixer';
import { MixerClientPerRouteSchema, MixerClientSchema } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import type { ConnectionInfo } from '@xebec/telemetry';
import type { FilterContext } from '../../http-filter.ts';
import { compileTest, configBytes, TestStream, testContext } from '../../test-harness.ts';
import { mixerDefinition } from './config.ts';

/** What the test's Mixer does with a check: an answer in protobuf JSON, bytes of its own, an error, or nothing for ever. */
export type TestAnswer = JsonValue | Uint8Array | Error | 'silence';

/** A Mixer for tests of its client: gives answers in turn, then the last one again, and keeps what it was told. */
export function testMixer(answers: TestAnswer[], config: Record<string, JsonValue> = {}, changes: Partial<FilterContext> = {}) {
  const checks: CheckCall[] = [];
  const reports: ReportCall[] = [];
  const state = { reportError: undefined as Error | undefined, reportSilence: false };
  const clockOf = () => clock;
  const grpcUnary = async (_: string, path: string, bytes: Uint8Array, timeoutMs: number): Promise<Uint8Array> => {
    if (path.endsWith('/Report')) {
      if (state.reportSilence) return new Promise(() => undefined);
      if (state.reportError !== undefined) throw state.reportError;
      const report = decodeReportCall(Buffer.from(bytes));
      if (!report.ok) throw new Error(report.error);
      reports.push(report.value);
      return new Uint8Array();
    }
    const check = decodeCheckCall(Buffer.from(bytes));
    if (!check.ok) throw new Error(check.error);
    checks.push(check.value);
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === 'silence') {
      return new Promise((_resolve, reject) => {
        clockOf().setTimeout(() => reject(new XebecError('E_UPSTREAM_TIMEOUT', 'no answer in time')), timeoutMs);
      });
    }
    if (answer instanceof Error) throw answer;
    if (answer instanceof Uint8Array) return answer;
    if (answer === undefined) throw new XebecError('E_UPSTREAM', 'no Mixer');
    return toBinary(CheckResponseSchema, fromJson(CheckResponseSchema, answer));
  };
  const { context, clock, statsText } = testContext({
    upstream: { grpcUnary, http: () => Promise.reject(new Error('not used')) },
    ...changes,
  });
  const clusters = { checkCluster: 'policy', reportCluster: 'telemetry' };
  const factory = compileTest(mixerDefinition, MixerClientSchema, { ...clusters, ...config }, context);
  const stream = (
    headers: string[] = [],
    more: { perRoute?: JsonValue; connection?: Partial<ConnectionInfo>; path?: string; method?: string } = {},
  ) => {
    const { perRoute } = more;
    return new TestStream(factory, clock, {
      request: { headers, path: more.path ?? '/', method: more.method ?? 'GET' },
      ...(more.connection === undefined ? {} : { connection: more.connection }),
      ...(perRoute === undefined ? {} : { perRoute: perRouteOf(perRoute) }),
    });
  };
  return { checks, reports, state, clock, statsText, factory, stream, answers };
}

const compiled = new Map<JsonValue, unknown>();

/** One object for one configuration, as routes have it. */
function perRouteOf(json: JsonValue): unknown {
  const known = compiled.get(json);
  if (known !== undefined) return known;
  const made = mixerDefinition.compilePerRoute?.(configBytes(MixerClientPerRouteSchema, json), MixerClientPerRouteSchema.typeName);
  compiled.set(json, made);
  return made;
}

/** Lets promises that are already settled run their reactions. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A caller of the mesh by its certificate. */
export function meshCaller(namespace: string): Partial<ConnectionInfo> {
  const peer = { uriSans: [`spiffe://cluster.local/ns/${namespace}/sa/web`], dnsSans: [], subject: '', sha256: '', pem: '' };
  return { tls: { version: 'TLSv1.3', cipher: '', alpn: '', peer } };
}
