import { CallFailure } from '@xebec/adapters';
import { type Logger, seededRandom, silentLogger, VirtualClock } from '@xebec/core';
import { type AttributeBag, type AttributeValue, ReferenceTracker, standardVocabulary } from '@xebec/expressions';
import { type CompiledHandler, compileInstance, compileRule, type Handler } from '@xebec/policy';
import type { InstanceSpec, RuleSpec } from '@xebec/schemas';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { type CheckOutcome, Dispatcher } from './dispatcher.ts';
import { createMixerMetrics } from './metrics.ts';

const text = (value: string): AttributeValue => ({ form: 'string', value });
const allow = { code: 0, message: '', validDurationMs: 5_000, validUseCount: 100 };
const deny = { code: 7, message: 'no', validDurationMs: 2_000, validUseCount: 10 };

interface Setup {
  readonly handlers: Readonly<Record<string, Partial<Handler>>>;
  readonly instances: Readonly<Record<string, InstanceSpec>>;
  readonly rules: Readonly<Record<string, RuleSpec & { readonly namespace?: string }>>;
}

/** A dispatcher over these objects, all of istio-system unless a rule says otherwise. */
function setup({ handlers, instances, rules }: Setup, logger: Logger = silentLogger) {
  const clock = new VirtualClock();
  const registry = new Registry();
  const metrics = createMixerMetrics(registry);
  const templates = ['checknothing', 'listentry', 'quota', 'metric', 'reportnothing', 'kubernetes'];
  const scope = {
    vocabulary: standardVocabulary,
    handlers: new Map(
      Object.entries(handlers).map(([name, handler]): [string, CompiledHandler] => [
        `${name}.istio-system`,
        { name: `${name}.istio-system`, adapter: name, templates, handler: { close: () => undefined, ...handler } },
      ]),
    ),
    instances: new Map(
      Object.entries(instances).map(([name, spec]) => {
        const compiled = compileInstance(`${name}.istio-system`, spec, standardVocabulary);
        if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
        return [compiled.value.name, compiled.value];
      }),
    ),
  };
  const compiled = Object.entries(rules).map(([name, { namespace = 'istio-system', ...spec }]) => {
    const qualify = (reference: string) => (reference.includes('.') ? reference : `${reference}.istio-system`);
    const actions = spec.actions?.map((action) => ({
      ...action,
      handler: qualify(action.handler),
      instances: action.instances?.map(qualify) ?? [],
    }));
    const rule = compileRule(`${name}.${namespace}`, namespace, { ...spec, ...(actions === undefined ? {} : { actions }) }, scope);
    if (!rule.ok) throw new Error(JSON.stringify(rule.error));
    return rule.value;
  });
  const dispatcher = new Dispatcher({ rules: compiled, handlers: 0, instances: 0 }, { clock, random: seededRandom(3), logger, metrics });
  const check = async (bag: AttributeBag = new Map(), tracker = new ReferenceTracker()): Promise<CheckOutcome> => {
    const { bag: whole } = await dispatcher.preprocess(bag, tracker);
    return dispatcher.check(whole, tracker);
  };
  return { dispatcher, check, clock, registry };
}

const nothing = { nothing: { compiledTemplate: 'checknothing' } };
const always = (handler: string, instances = ['nothing']) => ({ actions: [{ handler, instances }] });

describe('Check', () => {
  it('names an expression without a value in the log, once', async () => {
    const warned: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_fields: unknown, message?: string) => void warned.push(message ?? '') };
    const match = 'request.headers["x-internal"] != "true"';
    const { check } = setup(
      { handlers: { a: { check: () => deny } }, instances: nothing, rules: { a: { ...always('a'), match } } },
      logger,
    );
    expect([(await check()).code, (await check()).code]).toEqual([0, 0]);
    expect(warned).toEqual([expect.stringMatching(/^rule a\.istio-system: match: .*request\.headers/)]);
  });
  it('joins what handlers say: the first denial, the shortest validity, uses without limit left out', async () => {
    const { check } = setup({
      handlers: {
        a: { check: () => ({ ...allow, validUseCount: -1 }) },
        b: { check: async () => deny },
        c: { check: () => ({ ...deny, code: 16, message: 'who?' }) },
      },
      instances: nothing,
      rules: { a: always('a'), b: always('b'), c: always('c') },
    });
    expect(await check()).toMatchObject({
      code: 7,
      message: 'b.istio-system:no, c.istio-system:who?',
      validDurationMs: 2_000,
      validUseCount: 10,
    });
  });
  it('gives an answer at once when no handler makes it wait', () => {
    const { dispatcher } = setup({ handlers: { a: { check: () => allow } }, instances: nothing, rules: { a: always('a') } });
    expect(dispatcher.check(new Map(), new ReferenceTracker())).toMatchObject({ code: 0, validDurationMs: 5_000, validUseCount: 100 });
  });
  it('has no answer when a handler throws, rejects or an expression has no value, unless another denies', async () => {
    const failing = { throws: () => JSON.parse('{'), rejects: () => Promise.reject(new Error('gone')) };
    for (const check of Object.values(failing)) {
      const subject = setup({
        handlers: { a: { check }, b: { check: () => allow } },
        instances: nothing,
        rules: { a: always('a'), b: always('b') },
      });
      expect((await subject.check()).failure).toMatch(/^a\.istio-system: /);
      expect(await subject.registry.getSingleMetricAsString('mixer_runtime_dispatch_errors_total')).toContain(
        'handler="a.istio-system",variety="CHECK"} 1',
      );
      const denied = setup({
        handlers: { a: { check }, b: { check: () => deny } },
        instances: nothing,
        rules: { a: always('a'), b: always('b') },
      });
      const outcome = await denied.check();
      expect([outcome.code, outcome.failure]).toEqual([7, undefined]);
    }
    const absent = setup({
      handlers: { a: { check: () => allow } },
      instances: { entry: { compiledTemplate: 'listentry', params: { value: 'source.user' } } },
      rules: { a: always('a', ['entry']) },
    });
    expect((await absent.check()).failure).toContain('attribute "source.user" is absent');
  });
  it('does not wait for a handler for ever', async () => {
    const { check, clock } = setup({
      handlers: { a: { check: () => new Promise(() => undefined) } },
      instances: nothing,
      rules: { a: always('a') },
    });
    const outcome = check();
    await Promise.resolve();
    clock.advance(2_000);
    expect((await outcome).failure).toContain('no answer within 2000 ms');
    expect(clock.pending).toBe(0);
  });
  it('holds for a minute where no rule applies', async () => {
    const { check } = setup({
      handlers: { a: { check: () => deny } },
      instances: nothing,
      rules: { a: { ...always('a'), match: 'false' } },
    });
    expect(await check()).toMatchObject({ code: 0, validDurationMs: 60_000, validUseCount: 10_000 });
  });
  it('takes rules of the side that reports, and those of istio-system', async () => {
    const { check } = setup({
      handlers: { a: { check: () => deny } },
      instances: nothing,
      rules: { a: { ...always('a'), namespace: 'shop' } },
    });
    const bag = (entries: Record<string, string>): AttributeBag =>
      new Map(Object.entries(entries).map(([name, value]) => [name, text(value)]));
    const code = async (entries: Record<string, string>) => (await check(bag(entries))).code;
    expect(await code({})).toBe(0);
    expect(await code({ 'destination.namespace': 'shop' })).toBe(7);
    expect(await code({ 'destination.namespace': 'other', 'source.namespace': 'shop' })).toBe(0);
    expect(await code({ 'context.reporter.kind': 'outbound', 'source.namespace': 'shop' })).toBe(7);
    expect(await code({ 'context.reporter.kind': 'outbound', 'source.namespace': 'other', 'destination.namespace': 'shop' })).toBe(0);
    expect(await code({ 'destination.service.namespace': 'shop' })).toBe(0);
    expect(await code({ 'context.reporter.kind': 'sideways', 'source.namespace': 'shop', 'destination.namespace': 'shop' })).toBe(0);
  });
  it('applies header operations of matching rules when all consent, and leaves empty values out', async () => {
    const operations: RuleSpec = {
      requestHeaderOperations: [
        { name: 'x-user', values: ['source.user | "nobody"', 'source.principal | ""'] },
        { name: 'x-old', operation: 'REMOVE' },
      ],
      responseHeaderOperations: [{ name: 'x-seen', values: ['"yes"'], operation: 'APPEND' }],
    };
    const rules = { headers: operations, other: { ...operations, match: 'false' } };
    const { check } = setup({ handlers: {}, instances: {}, rules });
    expect(await check()).toMatchObject({
      code: 0,
      validDurationMs: 60_000,
      requestHeaders: [
        { name: 'x-user', value: 'nobody', operation: 'REPLACE' },
        { name: 'x-old', value: '', operation: 'REMOVE' },
      ],
      responseHeaders: [{ name: 'x-seen', value: 'yes', operation: 'APPEND' }],
    });
    const denied = setup({ handlers: { a: { check: () => deny } }, instances: nothing, rules: { ...rules, a: always('a') } });
    expect((await denied.check()).requestHeaders).toEqual([]);
  });
  it('reads for header operations no more than it needs', async () => {
    const headers = { match: 'source.user == "x"', requestHeaderOperations: [{ name: 'x', values: ['"y"'] }] };
    const { check } = setup({ handlers: { a: { check: () => deny } }, instances: nothing, rules: { headers, a: always('a') } });
    const tracker = new ReferenceTracker();
    await check(new Map(), tracker);
    expect(tracker.list().map(({ name }) => name)).toEqual(['context.reporter.kind', 'destination.namespace']);
  });
  it('leaves the validity to those that say something of it', async () => {
    const silent = { check: () => ({ code: 0, message: '', validDurationMs: 0, validUseCount: 0 }) };
    const of = async (handlers: Record<string, Partial<Handler>>) => {
      const rules = Object.fromEntries(Object.keys(handlers).map((name) => [name, always(name)]));
      const { validDurationMs, validUseCount } = await setup({ handlers, instances: nothing, rules }).check();
      return [validDurationMs, validUseCount];
    };
    expect(await of({ silent })).toEqual([60_000, 10_000]);
    expect(await of({ silent, a: { check: () => allow } })).toEqual([5_000, 100]);
  });
  it('passes on what a denying handler wants the caller to see', async () => {
    const directResponse = { status: 302, body: 'there', headers: { location: '/login', 'Set-Cookie': 'a=1,b=2' } };
    const { check } = setup({
      handlers: { a: { check: () => ({ ...deny, directResponse }) } },
      instances: nothing,
      rules: { a: always('a') },
    });
    const { directResponse: direct, responseHeaders } = await check();
    expect(direct).toMatchObject({ status: 302, body: 'there' });
    expect(responseHeaders).toEqual([
      { name: 'location', value: '/login', operation: 'REPLACE' },
      { name: 'Set-Cookie', value: 'a=1', operation: 'APPEND' },
      { name: 'Set-Cookie', value: 'b=2', operation: 'APPEND' },
    ]);
  });
});

describe('attribute generators', () => {
  const generated = {
    compiledTemplate: 'kubernetes',
    params: { source_uid: 'source.uid | ""' },
    attributeBindings: {
      'source.workload.name': '$out.source_workload_name | "unknown"',
      'source.labels': '$out.source_labels | emptyStringMap()',
    },
  };
  it('run first, and what they make is neither absent nor the client’s to know', async () => {
    const { check } = setup({
      handlers: {
        env: { generate: async () => ({ source_workload_name: { type: 'STRING', value: 'reviews' } }) },
        a: { check: () => deny },
      },
      instances: { ...nothing, generated },
      rules: {
        env: always('env', ['generated']),
        a: { ...always('a'), match: 'source.workload.name == "reviews" && size(source.labels) == 0' },
      },
    });
    const tracker = new ReferenceTracker();
    expect((await check(new Map([['source.uid', text('kubernetes://a.b')]]), tracker)).code).toBe(7);
    expect(tracker.list()).toEqual([
      { name: 'context.reporter.kind', mapKey: undefined, present: false },
      { name: 'destination.namespace', mapKey: undefined, present: false },
      { name: 'source.uid', mapKey: undefined, present: true },
    ]);
  });
  it('that fail leave their attributes out of reports', async () => {
    const seen: string[] = [];
    const { dispatcher } = setup({
      handlers: {
        env: { generate: () => Promise.reject(new Error('away')) },
        log: { report: (all) => void seen.push(...all.map(({ name }) => name)) },
      },
      instances: {
        generated,
        count: { compiledTemplate: 'metric', params: { value: 1, dimensions: { app: 'source.workload.name | "none"' } } },
      },
      rules: { env: always('env', ['generated']), log: always('log', ['count']) },
    });
    await dispatcher.report([new Map(), new Map()]);
    expect(seen).toEqual(['count.istio-system', 'count.istio-system']);
  });
});

describe('quota', () => {
  const limit = { limit: { compiledTemplate: 'quota', params: { dimensions: { user: 'source.user | "x"' } } } };
  const args = { amount: 5, bestEffort: false, deduplicationId: 'd' };
  it('asks the first handler that has the name, whatever its case', async () => {
    const asked: unknown[] = [];
    const quota = (who: string): Partial<Handler> => ({
      quota: (_, given) => {
        asked.push([who, given]);
        return { code: 0, message: '', amount: 3, validDurationMs: 1_000 };
      },
    });
    const { dispatcher } = setup({
      handlers: { a: quota('a'), b: quota('b') },
      instances: limit,
      rules: { a: always('a', ['limit']), b: always('b', ['limit']) },
    });
    expect(await dispatcher.quota('LIMIT', args, new Map(), new ReferenceTracker())).toMatchObject({ amount: 3 });
    expect(asked).toEqual([['a', args]]);
  });
  it('says whether there was nobody to ask', async () => {
    const failing = (error: Error) =>
      setup({
        handlers: { a: { quota: () => Promise.reject(error) } },
        instances: limit,
        rules: { a: always('a', ['limit']) },
      }).dispatcher.quota('limit', args, new Map(), new ReferenceTracker());
    expect(await failing(new CallFailure(14, 'away'))).toMatchObject({ code: 14, amount: 0 });
    expect(await failing(new Error('broken'))).toMatchObject({ code: 13, amount: 0 });
  });
  it('gives all that is asked where nothing limits it', async () => {
    const { dispatcher } = setup({ handlers: { a: {} }, instances: limit, rules: { a: { ...always('a', ['limit']), match: 'false' } } });
    const grant = { code: 0, message: '', amount: 5, validDurationMs: 60_000 };
    expect(await dispatcher.quota('limit', args, new Map(), new ReferenceTracker())).toEqual(grant);
    expect(await dispatcher.quota('other', args, new Map(), new ReferenceTracker())).toEqual(grant);
  });
});

describe('Report', () => {
  const count = { count: { compiledTemplate: 'metric', params: { value: 1 } } };
  const reporting = (sampling: RuleSpec['sampling']) => {
    const batches: number[] = [];
    const rule = { ...always('log', ['count']), ...(sampling === undefined ? {} : { sampling }) };
    const subject = setup({
      handlers: { log: { report: (all) => void batches.push(all.length) } },
      instances: count,
      rules: { log: rule },
    });
    return { ...subject, batches };
  };
  const bags = (n: number): AttributeBag[] =>
    Array.from(
      { length: n },
      (_, i) => new Map([['request.headers', { form: 'stringMap', value: new Map([['x-request-id', i.toString(16).padStart(8, '0')]]) }]]),
    );
  it('hands over all of a batch in one call', () => {
    const { dispatcher, batches } = reporting(undefined);
    void dispatcher.report(bags(50));
    expect(batches).toEqual([50]);
  });
  it('reports nothing of a batch that cannot be read to its end', () => {
    const { dispatcher, batches } = reporting(undefined);
    const broken = function* (): Generator<AttributeBag> {
      yield* bags(3);
      throw new Error('cut');
    };
    expect(() => dispatcher.report(broken())).toThrow('cut');
    expect(batches).toEqual([]);
  });
  it('samples by request ID, so that the same requests are chosen everywhere', () => {
    const { dispatcher, batches } = reporting({ random: { percentSampled: { numerator: 25 } } });
    void dispatcher.report(bags(10_000));
    expect(batches).toEqual([2_500]);
  });
  it('samples by chance where nothing identifies the request or the rule asks for it', () => {
    const { dispatcher, batches } = reporting({ random: { percentSampled: { numerator: 25 }, useIndependentRandomness: true } });
    void dispatcher.report(bags(10_000));
    expect(Math.abs((batches[0] ?? 0) - 2_500)).toBeLessThan(200);
  });
  it('takes the share from an attribute, and nothing where it has no number', () => {
    const { dispatcher, batches } = reporting({ random: { attributeExpression: 'request.size', percentSampled: { numerator: 100 } } });
    void dispatcher.report(bags(10));
    expect(batches).toEqual([]);
    void dispatcher.report(bags(10).map((bag) => new Map([...bag, ['request.size', { form: 'int64', value: 100n }]])));
    expect(batches).toEqual([10]);
  });
  it('samples what is too much in a while', () => {
    const { dispatcher, batches, clock } = reporting({ rateLimit: { samplingDuration: '1s', maxUnsampledEntries: 10, samplingRate: 10 } });
    void dispatcher.report(bags(110));
    clock.advance(1_000);
    void dispatcher.report(bags(5));
    expect(batches).toEqual([20, 5]);
  });
});
