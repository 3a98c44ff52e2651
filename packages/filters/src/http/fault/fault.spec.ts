import type { JsonValue } from '@bufbuild/protobuf';
import { HTTPFaultSchema } from '@xebec/protos/envoy/extensions/filters/http/fault/v3/fault';
import { describe, expect, it } from 'vitest';
import { compileTest, configBytes, TestStream, testContext } from '../../test-harness.ts';
import { faultDefinition } from './config.ts';

const always = { numerator: 1_000_000, denominator: 'MILLION' };

function stream(json: JsonValue, headers: string[] = []) {
  const { context, clock, statsText } = testContext();
  const factory = compileTest(faultDefinition, HTTPFaultSchema, {}, context);
  const perRoute = faultDefinition.compilePerRoute?.(configBytes(HTTPFaultSchema, json), HTTPFaultSchema.typeName);
  return { stream: new TestStream(factory, clock, { perRoute, request: { headers } }), clock, statsText };
}

describe('envoy.filters.http.fault', () => {
  it('does nothing when empty', () => expect(stream({}).stream.head()).toBe('continue'));
  it('aborts', () => {
    const { stream: subject, statsText } = stream({ abort: { httpStatus: 555, percentage: always } });
    expect(subject.head()).toBe('stop');
    expect(subject.replies).toEqual([{ status: 555, body: 'fault filter abort', details: 'fault_filter_abort', flag: 'FI' }]);
    subject.complete();
    expect(statsText()).toContain('http.test.fault.aborts_injected: 1\nhttp.test.fault.active_faults: 0');
  });
  it('delays, then continues', () => {
    const { stream: subject, clock } = stream({ delay: { fixedDelay: '7s', percentage: always } });
    expect(subject.head()).toBe('stop');
    clock.advance(6999);
    expect(subject.continuedRequest).toBe(0);
    clock.advance(1);
    expect(subject.continuedRequest).toBe(1);
    expect([...subject.info.responseFlags]).toEqual(['DI']);
  });
  it('delays, then aborts', () => {
    const { stream: subject, clock } = stream({
      delay: { fixedDelay: '1s', percentage: always },
      abort: { grpcStatus: 14, percentage: always },
    });
    subject.head();
    clock.advance(1000);
    expect(subject.replies[0]).toMatchObject({ status: 200, grpcStatus: 14 });
    expect([...subject.info.responseFlags]).toEqual(['DI', 'FI']);
  });
  it('stops its timer when the stream ends', () => {
    const { stream: subject, clock } = stream({ delay: { fixedDelay: '1s', percentage: always } });
    subject.head();
    subject.complete();
    expect(clock.pending).toBe(0);
  });
  it('lets the request choose only where configured', () => {
    const headers = ['x-envoy-fault-abort-request', '503'];
    expect(stream({ abort: { headerAbort: {}, percentage: always } }, headers).stream.head()).toBe('stop');
    expect(stream({ abort: { headerAbort: {}, percentage: always } }).stream.head()).toBe('continue');
    expect(stream({ abort: { httpStatus: 500, percentage: { numerator: 0 } } }, headers).stream.head()).toBe('continue');
  });
  it('applies to matching headers only', () => {
    const fault = { abort: { httpStatus: 500, percentage: always }, headers: [{ name: 'end-user', stringMatch: { exact: 'jason' } }] };
    expect(stream(fault).stream.head()).toBe('continue');
    expect(stream(fault, ['end-user', 'jason']).stream.head()).toBe('stop');
  });
  it('refuses a status that is none', () => expect(() => stream({ abort: { httpStatus: 99 } })).toThrow('http_status 99'));
});
