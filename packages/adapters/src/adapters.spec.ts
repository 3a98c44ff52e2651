import { parseIp, type TypedValue } from '@xebec/expressions';
import { type Handler, type InstanceValue, templates } from '@xebec/policy';
import { kinds } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { adapters } from './adapters.ts';
import { testEnvironment } from './test-environment.ts';

function setup() {
  const { registry, lines, environment } = testEnvironment();
  const { metrics } = environment;
  const configure = (name: string, params: unknown) => {
    const adapter = adapters.get(name);
    if (adapter === undefined) throw new Error(`no adapter ${name}`);
    return adapter.configure(params, environment);
  };
  const handler = (name: string, params: unknown): Handler => {
    const configured = configure(name, params);
    if (!configured.ok) throw new Error(JSON.stringify(configured.error));
    return configured.value;
  };
  const violations = (name: string, params: unknown): string[] => {
    const configured = configure(name, params);
    return configured.ok ? [] : configured.error.map(({ path, message }) => `${path}: ${message}`);
  };
  return { registry, metrics, lines, handler, violations };
}

const text = (value: string): TypedValue => ({ type: 'STRING', value });
const instance = (template: string, fields: InstanceValue['fields'], name = 'i.istio-system'): InstanceValue => ({
  name,
  template,
  fields,
});

describe('denier', () => {
  it('denies with FAILED_PRECONDITION for 5 s and 1000 uses unless told otherwise', () => {
    const { handler } = setup();
    expect(handler('denier', undefined).check?.(instance('checknothing', {}))).toEqual({
      code: 9,
      message: '',
      validDurationMs: 5000,
      validUseCount: 1000,
    });
    const params = { status: { code: 7, message: 'no' }, validDuration: '1m', validUseCount: 3 };
    expect(handler('denier', params).check?.(instance('checknothing', {}))).toEqual({
      code: 7,
      message: 'no',
      validDurationMs: 60_000,
      validUseCount: 3,
    });
  });
  it('names what is wrong with its params', () => {
    expect(setup().violations('denier', { validDurations: '5s', validUseCount: 'x' })).toEqual([
      expect.stringContaining('spec.params.validUseCount: '),
      'spec.params.validDurations: unknown field "validDurations"; did you mean "validDuration"?',
    ]);
    expect(setup().violations('denier', { validDuration: 'soon' })[0]).toContain('"soon" is not a duration');
  });
});

describe('listchecker', () => {
  const ask = async (params: object, value: TypedValue) => setup().handler('listchecker', params).check?.(instance('listentry', { value }));
  it.each([
    ['STRINGS', ['v1'], 'v1', 0],
    ['STRINGS', ['v1'], 'V1', 7],
    ['CASE_INSENSITIVE_STRINGS', ['v1'], 'V1', 0],
    ['REGEX', ['^v[12]$'], 'v2', 0],
    ['REGEX', ['^v[12]$'], 'v22', 7],
    ['IP_ADDRESSES', ['10.0.0.0/9'], '10.127.1.1', 0],
    ['IP_ADDRESSES', ['10.0.0.0/9'], '10.128.1.1', 7],
    ['IP_ADDRESSES', ['10.0.0.1'], '10.0.0.1', 0],
    ['IP_ADDRESSES', ['2001:db8::/32'], '2001:db8:1::1', 0],
    ['IP_ADDRESSES', ['10.0.0.0/9'], 'x', 3],
  ])('%s %j: %s gives %i', async (entryType, overrides, value, code) => {
    expect((await ask({ entryType, overrides }, text(value)))?.code).toBe(code);
  });
  it('takes addresses as bytes', async () => {
    const value: TypedValue = { type: 'IP_ADDRESS', value: parseIp('10.1.1.1') ?? new Uint8Array() };
    expect((await ask({ entryType: 'IP_ADDRESSES', overrides: ['10.0.0.0/8'] }, value))?.code).toBe(0);
  });
  it('turns round as a blacklist', async () => {
    expect(await ask({ blacklist: true, overrides: ['v1'] }, text('v1'))).toMatchObject({ code: 7, message: 'v1 is blacklisted' });
    expect((await ask({ blacklist: true, overrides: ['v1'] }, text('v2')))?.code).toBe(0);
    expect((await ask({ overrides: ['v1'] }, text('v2')))?.message).toBe('v2 is not whitelisted');
  });
  it('names wrong entries', () => {
    expect(setup().violations('listchecker', { entryType: 'IP_ADDRESSES', overrides: ['10.0.0.0/33'] })).toEqual([
      'spec.params.overrides[0]: "10.0.0.0/33" is not an IP address or CIDR range, such as 10.0.0.0/8',
    ]);
  });
});

describe('prometheus', () => {
  const metric = (labels: string[], kind = 'COUNTER') => ({ metrics: [{ name: 'calls', instance_name: 'i', kind, label_names: labels }] });
  const one = instance('metric', { value: { type: 'INT64', value: 2n }, dimensions: new Map([['app', text('a')]]) });

  it('counts with labels, and absent ones are empty', async () => {
    const { handler, registry } = setup();
    const counting = handler('prometheus', metric(['app', 'version']));
    counting.report?.([one, one, instance('metric', {}, 'other.istio-system')]);
    expect(await registry.metrics()).toContain('istio_calls{app="a",version=""} 4');
  });
  it('keeps counts over a replacement of the handler, and drops what nobody has', async () => {
    const { handler, registry, metrics } = setup();
    const first = handler('prometheus', metric(['app']));
    first.report?.([one]);
    first.close();
    const second = handler('prometheus', metric(['app']));
    metrics.sweep();
    second.report?.([one]);
    expect(await registry.metrics()).toContain('istio_calls{app="a"} 4');
    second.close();
    metrics.sweep();
    expect((await registry.metrics()).trim()).toBe('');
  });
  it('refuses one name with two definitions, and holds nothing after that', () => {
    const { handler, violations } = setup();
    const first = handler('prometheus', metric(['app']));
    expect(violations('prometheus', metric(['version']))).toEqual([
      'spec.params.metrics[0].name: istio_calls is in use with another kind, other labels or other buckets',
    ]);
    first.close();
    expect(violations('prometheus', metric(['version']))).toEqual([]);
  });
  it.each([
    [{ linear_buckets: { num_finite_buckets: 2, width: 5, offset: 1 } }, ['1', '6', '11']],
    [{ exponentialBuckets: { numFiniteBuckets: 2, scale: 1, growthFactor: 10 } }, ['1', '10', '100']],
    [{ explicit_buckets: { bounds: [3, 1] } }, ['1', '3']],
  ])('makes buckets of %j', async (buckets, bounds) => {
    const { handler, registry } = setup();
    handler('prometheus', { metrics: [{ name: 'took', instance_name: 'i.metric.istio-system', kind: 'DISTRIBUTION', buckets }] }).report?.([
      one,
    ]);
    const found = [...(await registry.metrics()).matchAll(/istio_took_bucket\{le="([^"]+)"\}/g)].map(([, le]) => le);
    expect(found).toEqual([...bounds, '+Inf']);
  });
  it('ignores values that are no count', async () => {
    const { handler, registry } = setup();
    handler('prometheus', metric([])).report?.([
      instance('metric', { value: text('x') }),
      instance('metric', { value: { type: 'INT64', value: -1n } }),
    ]);
    expect(await registry.metrics()).not.toMatch(/istio_calls [1-9]/);
  });
});

it('has an adapter or a template for each older kind', () => {
  const older = kinds.filter(({ readAs }) => readAs !== undefined);
  const known = older.filter(({ kind, readAs }) => (readAs === 'handler' ? adapters.has(kind) : templates.has(kind)));
  expect(known.map(({ kind }) => kind)).toEqual(older.map(({ kind }) => kind));
  expect(older).toHaveLength(23);
});
