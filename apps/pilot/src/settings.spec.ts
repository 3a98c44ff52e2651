import { describe, expect, it } from 'vitest';
import { parseDurationMs, readSettings } from './settings.ts';

describe('settings', () => {
  it("are Istio's variables, with what the machine suggests where they are not set", () => {
    expect(readSettings({}, 2)).toMatchObject({ pushThrottle: 25, requestsPerSecond: 1_000, debounce: { quietMs: 10, maxMs: 1_000 } });
    const set = { PILOT_PUSH_THROTTLE: '7', PILOT_DEBOUNCE_AFTER: '100ms', PILOT_DEBOUNCE_MAX: '10s', PILOT_ENABLE_STATUS: 'false' };
    expect(readSettings(set, 64)).toMatchObject({ pushThrottle: 7, debounce: { quietMs: 100, maxMs: 10_000 }, writeStatus: false });
    expect([...readSettings({ DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES: 'a, b,' }, 1).debugNamespaces]).toEqual(['a', 'b']);
  });

  it.each([
    [{ PILOT_DEBOUNCE_AFTER: 'soon' }, /PILOT_DEBOUNCE_AFTER="soon" is not a duration/],
    [{ PILOT_PUSH_THROTTLE: '-1' }, /PILOT_PUSH_THROTTLE="-1" is not a number/],
    [{ PILOT_JWT_ENABLE_REMOTE_JWKS: 'maybe' }, /PILOT_JWT_ENABLE_REMOTE_JWKS="maybe" is not istiod, false, hybrid, true or envoy/],
    [{ PILOT_ENABLE_STATUS: 'maybe' }, /PILOT_ENABLE_STATUS="maybe" is not true or false/],
  ])('that cannot be read name their variable: %o', (env, message) => {
    expect(() => readSettings(env, 1)).toThrow(message);
  });

  it("take Go's durations", () => {
    expect(['0', '100ms', '1m30s', '1.5h', '10', 's', '1d'].map(parseDurationMs)).toEqual([
      0,
      100,
      90_000,
      5_400_000,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
