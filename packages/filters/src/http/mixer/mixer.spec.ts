import { create, fromBinary, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { CheckRequestSchema, CheckResponseSchema, type ReportRequest, ReportRequestSchema } from '@xebec/protos/istio/mixer/v1/mixer';
import { MixerClientSchema } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import { describe, expect, it } from 'vitest';
import { compileTest, TestStream, testContext } from '../../test-harness.ts';
import { addressBytes } from './address-bytes.ts';
import { mixerDefinition } from './config.ts';

/** A Mixer that gives these answers in turn (undefined: fails) and keeps what it was told. */
function mixer(answers: (JsonValue | undefined)[], config: Record<string, JsonValue> = {}) {
  const checks: string[][] = [];
  const reports: ReportRequest[] = [];
  const { context, clock } = testContext({
    upstream: {
      grpcUnary: async (_, path, bytes) => {
        if (path.endsWith('/Report')) {
          reports.push(fromBinary(ReportRequestSchema, bytes));
          return new Uint8Array();
        }
        checks.push(fromBinary(CheckRequestSchema, bytes).attributes?.words ?? []);
        const answer = answers.shift();
        if (answer === undefined) throw new Error('no Mixer');
        return toBinary(CheckResponseSchema, fromJson(CheckResponseSchema, answer));
      },
      http: () => Promise.reject(new Error('not used')),
    },
  });
  const factory = compileTest(
    mixerDefinition,
    MixerClientSchema,
    { checkCluster: 'policy', reportCluster: 'telemetry', ...config },
    context,
  );
  return { checks, reports, clock, factory, stream: (headers: string[] = []) => new TestStream(factory, clock, { request: { headers } }) };
}

/** Lets promises that are already settled run their reactions. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

const byUser = {
  validDuration: '5s',
  validUseCount: 3,
  referencedAttributes: { words: ['request.headers', 'user'], attributeMatches: [{ name: -1, mapKey: -2, condition: 'EXACT' }] },
};

describe('xebec.filters.http.mixer', () => {
  it('asks once and then answers from its cache until uses or time are over', async () => {
    const subject = mixer([{ precondition: byUser }, { precondition: byUser }, { precondition: byUser }]);
    const first = subject.stream(['user', 'a']);
    expect(first.head()).toBe('stop');
    await settle();
    expect(first.continuedRequest).toBe(1);
    expect(subject.stream(['user', 'a']).head()).toBe('continue');
    expect(subject.stream(['user', 'a']).head()).toBe('continue');
    expect(subject.stream(['user', 'a']).head()).toBe('stop');
    await settle();
    expect(subject.stream(['user', 'b']).head()).toBe('stop');
    await settle();
    subject.clock.advance(5000);
    expect(subject.stream(['user', 'b']).head()).toBe('stop');
    expect(subject.checks).toHaveLength(4);
  });
  it('turns a refusal into its HTTP status', async () => {
    const subject = mixer([{ precondition: { status: { code: 7, message: 'denier.default:Not allowed' } } }]);
    const stream = subject.stream();
    stream.head();
    await settle();
    expect(stream.replies[0]).toMatchObject({ status: 403, body: 'PERMISSION_DENIED:denier.default:Not allowed', flag: 'UAEX' });
  });
  it('applies header operations of an answer', async () => {
    const subject = mixer([
      {
        precondition: {
          routeDirective: {
            requestHeaderOperations: [{ name: 'X-User', value: 'u' }],
            responseHeaderOperations: [{ name: 'x-r', value: '1' }],
          },
        },
      },
    ]);
    const stream = subject.stream();
    stream.head();
    await settle();
    expect(stream.request.headers).toEqual(['x-user', 'u']);
    expect(stream.response(200).headers).toEqual(['x-r', '1']);
  });
  it.each([
    ['FAIL_OPEN', 1, 0],
    ['FAIL_CLOSE', 0, 1],
  ])('%s when Mixer does not answer', async (failPolicy, continued, replied) => {
    const stream = mixer([], { failPolicy }).stream();
    stream.head();
    await settle();
    expect([stream.continuedRequest, stream.replies.length]).toEqual([continued, replied]);
  });
  it('reports in batches by count and by time', () => {
    const subject = mixer([], { checkCluster: '', reportBatchMaxEntries: 2 });
    for (let i = 0; i < 3; i++) {
      const stream = subject.stream(['user-agent', 'curl']);
      stream.head();
      stream.response(200);
      stream.complete();
    }
    expect(subject.reports.map((report) => report.attributes.length)).toEqual([2]);
    subject.clock.advance(1000);
    expect(subject.reports.map((report) => report.attributes.length)).toEqual([2, 1]);
    const words = subject.reports[0]?.attributes[0]?.words ?? [];
    expect(words).toEqual(
      expect.arrayContaining(['source.ip', 'destination.port', 'request.useragent', 'curl', 'response.code', 'context.reporter.kind']),
    );
    expect(subject.reports[0]?.globalWordCount).toBe(0);
  });
  it('refuses a configuration that does nothing', () => {
    const { context } = testContext();
    expect(() => mixerDefinition.compile(toBinary(MixerClientSchema, create(MixerClientSchema)), '', context)).toThrow('set check_cluster');
  });
  it.each([
    ['10.0.0.1', [10, 0, 0, 1]],
    ['::1', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
    ['::ffff:1.2.3.4', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4]],
  ])('address %s', (text, bytes) => expect([...(addressBytes(text) ?? [])]).toEqual(bytes));
});
