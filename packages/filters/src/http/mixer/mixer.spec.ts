import { create, toBinary, toJson } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import { encodeReferences } from '@xebec/expressions';
import { AttributesSchema } from '@xebec/protos/istio/mixer/v1/attributes';
import { ReferencedAttributesSchema } from '@xebec/protos/istio/mixer/v1/mixer';
import { MixerClientSchema } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import { describe, expect, it } from 'vitest';
import { testContext } from '../../test-harness.ts';
import { addressBytes } from './address-bytes.ts';
import { mixerDefinition } from './config.ts';
import { meshCaller, settle, testMixer } from './test-mixer.ts';

const byUser = {
  validDuration: '5s',
  validUseCount: 3,
  referencedAttributes: { words: ['request.headers', 'user'], attributeMatches: [{ name: -1, mapKey: -2, condition: 'EXACT' }] },
};
const references = (...list: Parameters<typeof encodeReferences>[0][number][]) =>
  toJson(ReferencedAttributesSchema, encodeReferences(list, 1000));

describe('checks', () => {
  it('asks once and then answers from its cache until uses or time are over', async () => {
    const subject = testMixer([{ precondition: byUser }]);
    const first = subject.stream(['user', 'a']);
    expect(first.head()).toBe('stop');
    await settle();
    expect(first.continuedRequest).toBe(1);
    for (let i = 0; i < 3; i++) expect(subject.stream(['user', 'a']).head()).toBe('continue');
    expect(subject.stream(['user', 'a']).head()).toBe('stop');
    await settle();
    expect(subject.stream(['user', 'b']).head()).toBe('stop');
    await settle();
    subject.clock.advance(5000);
    expect(subject.stream(['user', 'b']).head()).toBe('stop');
    expect(subject.checks).toHaveLength(4);
    expect(new Set(subject.checks.map(({ deduplicationId }) => deduplicationId)).size).toBe(4);
  });
  it('keeps answers by what must not be there, and by expressions', async () => {
    const referencedAttributes = references(
      { name: 'request.headers', mapKey: 'x-none', present: false },
      { name: 'request.path', mapKey: undefined, present: true, regex: '^/public/.*$' },
      { name: 'source.namespace', mapKey: undefined, present: false },
    );
    const subject = testMixer([{ precondition: { validDuration: '60s', validUseCount: 100, referencedAttributes } }]);
    subject.stream([], { path: '/public/a' }).head();
    await settle();
    const asked = (headers: string[], path: string) => subject.stream(headers, { path }).head();
    expect([asked([], '/public/b?c'), asked([], '/private'), asked(['x-none', ''], '/public/b')]).toEqual(['continue', 'stop', 'stop']);
    expect(subject.stream([], { path: '/public/b', connection: meshCaller('x') }).head()).toBe('stop');
  });
  it('does not keep answers whose words it does not know', async () => {
    const referencedAttributes = { words: [], attributeMatches: [{ name: -1, condition: 'EXACT' }] };
    const subject = testMixer([{ precondition: { ...byUser, referencedAttributes } }]);
    subject.stream(['user', 'a']).head();
    await settle();
    expect(subject.stream(['user', 'a']).head()).toBe('stop');
  });
  it.each([
    [7, 'denier.default:Not allowed', 403, 'PERMISSION_DENIED:denier.default:Not allowed'],
    [16, 'who', 401, 'UNAUTHENTICATED:who'],
    [8, 'much', 429, 'RESOURCE_EXHAUSTED:much'],
    [14, '', 503, 'UNAVAILABLE'],
    [5, 'x', 404, 'NOT_FOUND:x'],
    [9, 'x', 400, 'FAILED_PRECONDITION:x'],
  ])('turns a refusal with %d into its HTTP status', async (code, message, status, body) => {
    const stream = testMixer([{ precondition: { status: { code, message } } }]).stream();
    stream.head();
    await settle();
    expect(stream.replies[0]).toMatchObject({ status, body, flag: 'UAEX' });
  });
  it('does what route directives say', async () => {
    const operations = {
      requestHeaderOperations: [
        { name: 'X-User', value: 'u' },
        { name: 'x-gone', operation: 'REMOVE' },
        { name: 'x-more', value: '2', operation: 'APPEND' },
        { name: 'x-bad', value: 'a\r\nb: c' },
      ],
      responseHeaderOperations: [{ name: 'x-r', value: '1' }],
    };
    const subject = testMixer([{ precondition: { routeDirective: operations } }]);
    const stream = subject.stream(['x-gone', '1', 'x-more', '1']);
    stream.head();
    await settle();
    expect(stream.request.headers).toEqual(['x-more', '1', 'x-user', 'u', 'x-more', '2']);
    expect(stream.response(200).headers).toEqual(['x-r', '1']);
  });
  it('answers itself where Mixer says so', async () => {
    const directive = { directResponseCode: 302, directResponseBody: 'b', responseHeaderOperations: [{ name: 'location', value: '/l' }] };
    const stream = testMixer([{ precondition: { routeDirective: directive } }]).stream();
    stream.head();
    await settle();
    expect(stream.replies[0]).toMatchObject({ status: 302, body: 'b' });
    expect(stream.response(302).headers).toEqual(['location', '/l']);
  });
  it('is switched off by routes', () => {
    const subject = testMixer([{}]);
    const stream = subject.stream([], { perRoute: { disableCheck: true, disableReport: true } });
    expect(stream.head()).toBe('continue');
    stream.complete();
    subject.clock.advance(2000);
    expect([subject.checks, subject.reports]).toEqual([[], []]);
  });
  it('tells of the request what a check can be about, and nothing of a response', async () => {
    const subject = testMixer([{}], { mixerAttributes: { attributes: { 'destination.service.host': { stringValue: 'reviews' } } } });
    subject.stream(['user-agent', 'curl', 'x-a', '1', 'x-a', '2'], { path: '/p?q=1&q=2', connection: meshCaller('shop') }).head();
    await settle();
    const bag = subject.checks[0]?.bag ?? new Map();
    const value = (name: string) => bag.get(name)?.value;
    expect(subject.checks[0]?.globalWordCount).toBeGreaterThan(200);
    expect(value('request.path')).toBe('/p?q=1&q=2');
    expect(value('request.url_path')).toBe('/p');
    expect(value('request.query_params')).toEqual(new Map([['q', '1,2']]));
    expect(value('request.headers').get('x-a')).toBe('1,2');
    expect(value('request.headers').get(':authority')).toBe('host');
    expect(value('source.principal')).toBe('cluster.local/ns/shop/sa/web');
    expect(value('source.namespace')).toBe('shop');
    expect(value('destination.service.host')).toBe('reviews');
    expect([...(value('source.ip') as Uint8Array)]).toEqual([10, 0, 0, 1]);
    expect(value('destination.port')).toBe(9080n);
    expect([value('connection.mtls'), value('context.protocol')]).toEqual([true, 'http']);
    expect([...bag.keys()].filter((name) => name.startsWith('response.') || name === 'request.size')).toEqual([]);
  });
});

describe('a Mixer that does not do its part', () => {
  const wrong = new Uint8Array([0xff, 0xff, 0xff]);
  it.each([
    ['FAIL_OPEN', new XebecError('E_UPSTREAM', 'refused'), 1, 0],
    ['FAIL_CLOSE', new XebecError('E_UPSTREAM', 'refused'), 0, 1],
    ['FAIL_OPEN', wrong, 1, 0],
    ['FAIL_CLOSE', wrong, 0, 1],
    ['FAIL_OPEN', new Uint8Array(), 1, 0],
    ['FAIL_CLOSE', new Uint8Array(), 0, 1],
    ['FAIL_OPEN', { precondition: { status: { code: 4711 } } }, 1, 0],
    ['FAIL_OPEN', { precondition: { status: { code: 13, message: 'INTERNAL' } } }, 1, 0],
  ])('%s: %s', async (failPolicy, answer, continued, replied) => {
    const stream = testMixer([answer], { failPolicy }).stream();
    stream.head();
    await settle();
    await settle();
    expect([stream.continuedRequest, stream.replies.length]).toEqual([continued, replied]);
    if (replied > 0) expect(stream.replies[0]?.status).toBe(503);
  });
  it('tries again with the same bytes, waiting longer each time', async () => {
    const away = new XebecError('E_UPSTREAM', 'refused');
    const subject = testMixer([away, away, { precondition: {} }], { maxRetry: 2 });
    const stream = subject.stream();
    stream.head();
    await settle();
    expect(subject.checks).toHaveLength(1);
    subject.clock.advance(80);
    await settle();
    expect(subject.checks).toHaveLength(2);
    subject.clock.advance(160);
    await settle();
    expect([subject.checks.length, stream.continuedRequest]).toEqual([3, 1]);
    expect(new Set(subject.checks.map(({ deduplicationId }) => deduplicationId)).size).toBe(1);
  });
  it('makes nobody wait for a Mixer that let time pass, and finds out when it answers again', async () => {
    const subject = testMixer(['silence'], { failPolicy: 'FAIL_CLOSE', checkTimeout: '0.5s' });
    const first = subject.stream();
    first.head();
    subject.clock.advance(500);
    await settle();
    await settle();
    expect(first.replies).toHaveLength(1);
    const second = subject.stream();
    expect([second.head(), second.replies.length]).toEqual(['stop', 1]);
    expect(subject.checks).toHaveLength(1);
    subject.answers[0] = { precondition: {} };
    subject.clock.advance(200);
    const probe = subject.stream();
    expect([probe.head(), probe.replies.length, subject.checks.length]).toEqual(['stop', 1, 2]);
    await settle();
    const after = subject.stream();
    after.head();
    await settle();
    expect([after.replies.length, after.continuedRequest]).toEqual([0, 1]);
  });
  it.each(['status 3 no such word', 'status 13 inconsistent global dictionary versions used: mixer knows 5 words, caller knows 221'])(
    'does without the global dictionary where Mixer has none and says %s',
    async (text) => {
      const refusal = new XebecError('E_UPSTREAM', `gRPC call to cluster "policy" failed: ${text}`);
      const subject = testMixer([refusal, refusal, { precondition: {} }]);
      const stream = subject.stream();
      stream.head();
      for (let i = 0; i < 4; i++) await settle();
      expect(subject.checks.map(({ globalWordCount }) => globalWordCount).slice(1)).toEqual([111, 0]);
      expect(stream.continuedRequest).toBe(1);
    },
  );
});

describe('reports', () => {
  const run = (subject: ReturnType<typeof testMixer>, headers: string[], path = '/') => {
    const stream = subject.stream(headers, { path });
    stream.head();
    stream.response(200, ['content-type', 'text/plain']);
    stream.complete();
  };
  it('leave in batches by count and by time', async () => {
    const subject = testMixer([], { checkCluster: '', reportBatchMaxEntries: 2 });
    for (let i = 0; i < 3; i++) run(subject, ['user-agent', 'curl', 'x-request-id', String(i)]);
    await settle();
    expect(subject.reports.map(({ bags }) => bags.length)).toEqual([2]);
    subject.clock.advance(1000);
    await settle();
    expect(subject.reports.map(({ bags }) => bags.length)).toEqual([2, 1]);
    const bags = subject.reports.flatMap((report) => report.bags);
    expect(bags.map((bag) => bag.get('request.id')?.value)).toEqual(['0', '1', '2']);
    expect(bags.map((bag) => bag.get('request.useragent')?.value)).toEqual(['curl', 'curl', 'curl']);
    expect(bags.map((bag) => bag.get('response.code')?.value)).toEqual([200n, 200n, 200n]);
    expect(bags[1]?.get('context.proxy_error_code')?.value).toBe('-');
  });
  it('never give a call what only the one before it had', async () => {
    const subject = testMixer([], { checkCluster: '' });
    const optional = ['referer', 'user-agent', 'x-request-id', 'x-a'];
    for (let i = 0; i < 64; i++) {
      // Every subset in an order of its own, and values that come again.
      const chosen = optional.filter((_, bit) => (((i * 7) % 16) >> bit) % 2 === 1);
      run(
        subject,
        chosen.flatMap((name) => [name, `${name}-${i % 3}`]),
      );
    }
    subject.clock.advance(1000);
    await settle();
    const bags = subject.reports.flatMap((report) => report.bags);
    expect(bags).toHaveLength(64);
    for (const bag of bags) {
      const headers = bag.get('request.headers');
      const sent = (name: string) => (headers?.form === 'stringMap' ? headers.value.get(name) : undefined);
      const told = ['request.referer', 'request.useragent', 'request.id'].map((name) => bag.get(name)?.value);
      expect(told).toEqual([sent('referer'), sent('user-agent'), sent('x-request-id')]);
    }
  });
  it('are bounded and counted while Mixer takes none', async () => {
    const subject = testMixer([], { checkCluster: '', reportBatchMaxEntries: 10 });
    subject.state.reportSilence = true;
    for (let i = 0; i < 2000; i++) run(subject, ['x-request-id', String(i)]);
    await settle();
    expect(subject.statsText()).toContain('http_mixer_filter.total_reports_dropped: 720');
    expect(subject.statsText()).toContain('http_mixer_filter.total_remote_report_calls: 128');
  });
  it('tell what a check said', async () => {
    const subject = testMixer([{ precondition: { status: { code: 7, message: 'no' } } }]);
    const stream = subject.stream();
    stream.head();
    await settle();
    stream.info.responseCode = 403;
    stream.complete();
    subject.clock.advance(1000);
    await settle();
    const bag = subject.reports[0]?.bags[0];
    const told = ['check.error_code', 'check.error_message', 'check.cache_hit', 'response.code'].map((name) => bag?.get(name)?.value);
    expect(told).toEqual([7n, 'no', false, 403n]);
  });
});

describe('x-istio-attributes', () => {
  const told = (namespace: string) =>
    Buffer.from(
      toBinary(
        AttributesSchema,
        create(AttributesSchema, {
          attributes: {
            'source.uid': { value: { case: 'stringValue', value: `kubernetes://web-1.${namespace}` } },
            'source.namespace': { value: { case: 'stringValue', value: namespace } },
            'source.principal': { value: { case: 'stringValue', value: 'cluster.local/ns/admin/sa/admin' } },
          },
        }),
      ),
    ).toString('base64');
  const bagOf = async (value: string, connection: object, config = {}) => {
    const subject = testMixer([{}], config);
    const stream = subject.stream(['x-istio-attributes', value], { connection });
    stream.head();
    await settle();
    expect(stream.request.headers).toEqual([]);
    return subject.checks[0]?.bag;
  };
  it('is believed of callers of the mesh about themselves, and never sent on to the application', async () => {
    const bag = await bagOf(told('shop'), meshCaller('shop'));
    expect(bag?.get('source.uid')?.value).toBe('kubernetes://web-1.shop');
    expect(bag?.get('source.principal')?.value).toBe('cluster.local/ns/shop/sa/web');
    expect([...new Map(Object(bag?.get('request.headers')?.value)).keys()]).not.toContain('x-istio-attributes');
  });
  it.each([
    ['strangers', {}, {}],
    ['workloads of other namespaces', meshCaller('evil'), {}],
    ['anybody at the edge', meshCaller('shop'), { ignoreForwardedAttributes: true }],
  ])('is not believed of %s', async (_, connection, config) => {
    const bag = await bagOf(told('shop'), connection, config);
    expect(bag?.get('source.uid')).toBe(undefined);
    expect(bag?.get('source.principal')?.value).not.toBe('cluster.local/ns/admin/sa/admin');
    if (Object.keys(connection).length === 0) expect(bag?.get('source.namespace')).toBe(undefined);
  });
  it('survives what cannot be read', async () => {
    const bag = await bagOf('%%%%', meshCaller('shop'));
    expect(bag?.get('source.uid')).toBe(undefined);
  });
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
