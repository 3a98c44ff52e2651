import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { RBACSchema } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { describe, expect, it } from 'vitest';
import { testRequest, testStreamInfo } from '../test-stream-info.ts';
import { compileRbac } from './rbac.ts';

const rbac = (json: JsonValue) => compileRbac(fromJson(RBACSchema, json));
const get = testRequest('/status/200?x=1', 'httpbin', ['x-token', 'admin']);
const tls = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  alpn: 'istio',
  peer: { uriSans: ['spiffe://cluster.local/ns/foo/sa/sleep'], dnsSans: [], subject: '', sha256: '', pem: '' },
};
const info = testStreamInfo({ remoteAddress: '10.1.2.3', localPort: 8000, requestedServerName: 'a.b', tls });
const anyone = [{ any: true }];
const allowed = (permission: JsonValue, principal: JsonValue = { any: true }) =>
  rbac({ policies: { p: { permissions: [permission], principals: [principal] } } }).evaluate(get, info).allowed;

describe('compileRbac', () => {
  it.each<[string, JsonValue, boolean]>([
    ['method', { header: { name: ':method', stringMatch: { exact: 'GET' } } }, true],
    ['path without query', { urlPath: { path: { exact: '/status/200' } } }, true],
    ['port', { destinationPort: 8000 }, true],
    ['port range excludes its end', { destinationPortRange: { start: 7000, end: 8000 } }, false],
    ['address', { destinationIp: { addressPrefix: '127.0.0.0', prefixLen: 8 } }, true],
    ['sni', { requestedServerName: { suffix: '.b' } }, true],
    ['not', { notRule: { any: true } }, false],
    ['and', { andRules: { rules: [{ any: true }, { destinationPort: 1 }] } }, false],
    ['or', { orRules: { rules: [{ destinationPort: 1 }, { any: true }] } }, true],
  ])('permission: %s', (_, permission, expected) => {
    expect(allowed(permission)).toBe(expected);
  });
  it.each<[string, JsonValue, boolean]>([
    ['identity', { authenticated: { principalName: { exact: 'spiffe://cluster.local/ns/foo/sa/sleep' } } }, true],
    ['namespace', { authenticated: { principalName: { safeRegex: { regex: '.*/ns/bar/.*' } } } }, false],
    ['any identity', { authenticated: {} }, true],
    ['address', { remoteIp: { addressPrefix: '10.1.0.0', prefixLen: 16 } }, true],
    ['other address', { directRemoteIp: { addressPrefix: '10.2.0.0', prefixLen: 16 } }, false],
    ['header', { header: { name: 'x-token', stringMatch: { exact: 'admin' } } }, true],
    ['missing metadata', { metadata: { filter: 'f', path: [{ key: 'k' }], value: { stringMatch: { exact: 'v' } } } }, false],
    ['not', { notId: { any: true } }, false],
  ])('principal: %s', (_, principal, expected) => expect(allowed({ any: true }, principal)).toBe(expected));

  it('denies by the first policy in order of names', () => {
    const policies = { b: { permissions: anyone, principals: anyone }, a: { permissions: anyone, principals: anyone } };
    expect(rbac({ action: 'DENY', policies }).evaluate(get, info)).toEqual({ allowed: false, policy: 'a' });
    expect(rbac({ action: 'LOG', policies }).evaluate(get, info)).toEqual({ allowed: true, policy: 'a', logHint: true });
  });
  it('allows nothing without policies, and denies nothing', () => {
    expect(rbac({ action: 'ALLOW' }).evaluate(get, info)).toEqual({ allowed: false, policy: undefined });
    expect(rbac({ action: 'DENY' }).evaluate(get, info)).toEqual({ allowed: true, policy: undefined });
  });
  it('looks at each value of a repeated header', () => {
    const deny = rbac({
      action: 'DENY',
      policies: { p: { permissions: [{ header: { name: 'x-a', stringMatch: { exact: 'bad' } } }], principals: anyone } },
    });
    expect(deny.evaluate(testRequest('/', 'h', ['x-a', 'good', 'x-a', 'bad']), info).allowed).toBe(false);
  });
  it('sees no headers on a TCP connection', () => {
    const rules = rbac({
      policies: { p: { permissions: [{ header: { name: ':method', presentMatch: true } }], principals: anyone } },
    });
    expect(rules.evaluate(undefined, info).allowed).toBe(false);
  });
  it('names the policy that it cannot compile', () => {
    expect(() => rbac({ policies: { p: { permissions: [{}], principals: anyone } } })).toThrow('policy "p": permission has no rule');
  });
});
