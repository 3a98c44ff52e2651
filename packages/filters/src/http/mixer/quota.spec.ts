import type { JsonValue } from '@bufbuild/protobuf';
import { toJson } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import { encodeReferences } from '@xebec/expressions';
import { ReferencedAttributesSchema } from '@xebec/protos/istio/mixer/v1/mixer';
import { describe, expect, it } from 'vitest';
import { settle, type TestAnswer, testMixer } from './test-mixer.ts';

const referencedAttributes = toJson(
  ReferencedAttributesSchema,
  encodeReferences([{ name: 'request.headers', mapKey: 'user', present: true }], 1000),
);
const open = { validDuration: '600s', validUseCount: -1, referencedAttributes: {} };
const granted = (amount: number, more: Record<string, JsonValue> = {}): JsonValue => ({
  precondition: open,
  quotas: { requests: { grantedAmount: String(amount), validDuration: '1s', referencedAttributes, ...more } },
});
const charged = (match: JsonValue = [], charge = '1'): JsonValue => ({ quotaRules: [{ match, quotas: [{ quota: 'requests', charge }] }] });
const every = charged();

describe('quota', () => {
  it('is asked for in the check that is needed anyway, and refuses with 429 when there is none', async () => {
    const subject = testMixer([granted(1), granted(0)]);
    const [first, second] = [0, 1].map(() => subject.stream(['user', 'a'], { perRoute: every }));
    first?.head();
    await settle();
    second?.head();
    await settle();
    expect(subject.checks.map(({ quotas }) => quotas)).toEqual([
      [{ name: 'requests', amount: 1n, bestEffort: false }],
      [{ name: 'requests', amount: 1n, bestEffort: false }],
    ]);
    expect([first?.continuedRequest, second?.replies[0]?.status, second?.replies[0]?.body]).toEqual([
      1,
      429,
      'RESOURCE_EXHAUSTED:Quota is exhausted for: requests',
    ]);
  });
  it('is asked for together by calls that come while Mixer is being asked, cell by cell', async () => {
    const subject = testMixer([granted(1), granted(1), granted(1), granted(2), granted(9)]);
    const start = (user: string) => {
      const stream = subject.stream(['user', user], { perRoute: every });
      stream.head();
      return stream;
    };
    start('a');
    await settle();
    // The first call after that makes the cell known.
    start('a');
    await settle();
    const streams = ['a', 'a', 'a', 'a'].map(start);
    const other = start('b');
    await settle();
    await settle();
    expect(
      subject.checks.map(({ quotas, bag }) => [bag.get('request.headers')?.form, Number(quotas[0]?.amount), quotas[0]?.bestEffort]),
    ).toEqual([
      ['stringMap', 1, false],
      ['stringMap', 1, false],
      ['stringMap', 1, false],
      ['stringMap', 1, false],
      ['stringMap', 3, true],
    ]);
    expect(streams.map((stream) => stream.replies.length)).toEqual([0, 0, 0, 0]);
    expect(other.continuedRequest).toBe(1);
  });
  it('gives what was granted to those who came first', async () => {
    const subject = testMixer([granted(1), granted(1), granted(1), granted(2)]);
    const start = () => {
      const stream = subject.stream(['user', 'a'], { perRoute: every });
      stream.head();
      return stream;
    };
    start();
    await settle();
    start();
    await settle();
    const streams = [1, 2, 3, 4, 5].map(start);
    await settle();
    await settle();
    expect(streams.map((stream) => stream.replies[0]?.status ?? 200)).toEqual([200, 200, 200, 429, 429]);
  });
  it('is asked for ahead where that is wanted, and what is held runs out', async () => {
    const subject = testMixer([granted(1), granted(11)], { quotaPrefetch: 10 });
    const start = () => {
      const stream = subject.stream(['user', 'a'], { perRoute: every });
      return stream.head() === 'continue' ? 'held' : 'asked';
    };
    start();
    await settle();
    start();
    await settle();
    expect(subject.checks[1]?.quotas).toEqual([{ name: 'requests', amount: 11n, bestEffort: true }]);
    expect(Array.from({ length: 10 }, start)).toEqual(Array.from({ length: 10 }, () => 'held'));
    expect(start()).toBe('asked');
    await settle();
    expect(start()).toBe('held');
    subject.clock.advance(500);
    expect(start()).toBe('asked');
  });
  it('is charged by rules that match', async () => {
    const match = [
      { clause: { 'request.path': { prefix: '/books' }, 'request.method': { exact: 'POST' } } },
      { clause: { 'request.host': { regex: 'api[.].*' } } },
    ];
    const subject = testMixer([granted(5)]);
    const perRoute = charged(match, '5');
    const ask = async (path: string, method: string) => {
      subject.stream(['user', 'a'], { perRoute, path, method }).head();
      await settle();
      return subject.checks.at(-1)?.quotas.map(({ amount }) => Number(amount));
    };
    expect(await ask('/books/1', 'GET')).toEqual([]);
    expect(await ask('/books/1', 'POST')).toEqual([5]);
    expect(await ask('/other', 'POST')).toEqual([5]);
    expect(subject.checks).toHaveLength(2);
  });
  it.each<[string, TestAnswer, number]>([
    ['FAIL_OPEN', new XebecError('E_UPSTREAM', 'refused'), 200],
    ['FAIL_CLOSE', new XebecError('E_UPSTREAM', 'refused'), 503],
    ['FAIL_OPEN', granted(0, { status: { code: 14 } }), 200],
    ['FAIL_CLOSE', granted(0, { status: { code: 14 } }), 429],
    ['FAIL_OPEN', { precondition: open }, 200],
    ['FAIL_CLOSE', { precondition: { status: { code: 7 } } }, 403],
  ])('%s when Mixer answers %j', async (failPolicy, answer, status) => {
    const subject = testMixer([granted(1), answer], { failPolicy });
    subject.stream(['user', 'a'], { perRoute: every }).head();
    await settle();
    const stream = subject.stream(['user', 'a'], { perRoute: every });
    stream.head();
    for (let i = 0; i < 4; i++) await settle();
    expect(stream.replies[0]?.status ?? 200).toBe(status);
    expect(stream.continuedRequest).toBe(status === 200 ? 1 : 0);
  });
});

describe('APIs', () => {
  it('give requests attributes by method and path, and say where keys stand', async () => {
    const attributes = (entries: Record<string, string>): JsonValue => ({
      attributes: Object.fromEntries(Object.entries(entries).map(([name, stringValue]) => [name, { stringValue }])),
    });
    const perRoute = {
      apiSpecs: [
        {
          attributes: attributes({ 'api.service': 'pets' }),
          patterns: [
            { attributes: attributes({ 'api.operation': 'find' }), httpMethod: 'GET', uriTemplate: '/pets/{id}' },
            { attributes: attributes({ 'api.operation': 'list' }), httpMethod: 'GET', uriTemplate: '/pets{?q}' },
            { attributes: attributes({ 'api.operation': 'any' }), regex: '^/x/.*' },
          ],
          apiKeys: [{ header: 'X-Key' }, { cookie: 'k' }],
        },
      ],
    };
    const subject = testMixer([{ precondition: {} }]);
    const ask = async (path: string, headers: string[] = []) => {
      subject.stream(headers, { perRoute, path }).head();
      await settle();
      const bag = subject.checks.at(-1)?.bag;
      return ['api.service', 'api.operation', 'request.api_key'].map((name) => bag?.get(name)?.value);
    };
    expect(await ask('/pets/7?key=1', ['x-key', 'secret'])).toEqual(['pets', 'find', 'secret']);
    expect(await ask('/pets?q=1', ['cookie', 'a=b; k=c'])).toEqual(['pets', 'list', 'c']);
    expect(await ask('/x/y')).toEqual(['pets', 'any', undefined]);
    expect(await ask('/none')).toEqual([undefined, undefined, undefined]);
  });
  it('without places of their own have keys where release 1.4 looks for them', async () => {
    const subject = testMixer([{ precondition: {} }]);
    for (const [path, headers] of [
      ['/?api_key=q', []],
      ['/', ['x-api-key', 'h']],
    ] as const) {
      subject.stream([...headers], { path }).head();
      await settle();
    }
    expect(subject.checks.map(({ bag }) => bag.get('request.api_key')?.value)).toEqual(['q', 'h']);
  });
});
