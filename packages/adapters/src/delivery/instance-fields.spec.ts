import { describe, expect, it } from 'vitest';
import { goDuration, logFields, microsecondTime, qualifiedName, wireName } from './instance-fields.ts';

describe('values in logs', () => {
  it.each([
    [0n, '0s'],
    [999n, '999ns'],
    [1_500n, '1.5µs'],
    [60_848_000n, '60.848ms'],
    [1_500_000_000n, '1.5s'],
    [90_000_000_000n, '1m30s'],
    [3_600_250_000_000n, '1h0m0.25s'],
    [-2_000_000n, '-2ms'],
  ])('%s ns is %s', (ns, text) => {
    expect(goDuration(ns)).toBe(text);
  });
  it('gives times microseconds', () => {
    expect(microsecondTime(1_735_689_600_000_001_999n)).toBe('2025-01-01T00:00:00.000001Z');
    expect(microsecondTime(-1n)).toBe('1969-12-31T23:59:59.999999Z');
    expect(microsecondTime(2n ** 100n)).toBe(String(2n ** 100n));
  });
  it('sorts by name and keeps numbers and maps', () => {
    const fields = logFields(
      new Map([
        ['z', { type: 'INT64', value: 200n }],
        ['a', { type: 'STRING_MAP', value: new Map([['k', 'v']]) }],
        ['ip', { type: 'IP_ADDRESS', value: Uint8Array.of(10, 0, 0, 1) }],
      ]),
    );
    expect(JSON.stringify(fields)).toBe('{"a":{"k":"v"},"ip":"10.0.0.1","z":200}');
  });
  it('names instances as release 1.4 did, and takes its names', () => {
    expect(wireName({ name: 'newlog.istio-system' })).toBe('newlog.instance.istio-system');
    expect(wireName({ name: 'newlog.istio-system', kind: 'logentry' })).toBe('newlog.logentry.istio-system');
    expect(['calls', 'calls.metric.istio-system', 'calls.instance.other'].map((name) => qualifiedName(name, 'istio-system'))).toEqual([
      'calls.istio-system',
      'calls.istio-system',
      'calls.other',
    ]);
  });
});
