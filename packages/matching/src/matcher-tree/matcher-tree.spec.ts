import { createRegistry, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { ActionSchema, RBACSchema } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import {
  ServerNameInputSchema,
  SourceIPInputSchema,
} from '@xebec/protos/envoy/extensions/matching/common_inputs/network/v3/network_inputs';
import { HttpRequestHeaderMatchInputSchema } from '@xebec/protos/envoy/type/matcher/v3/http_inputs';
import { ServerNameMatcherSchema } from '@xebec/protos/xds/type/matcher/v3/domain';
import { IPMatcherSchema } from '@xebec/protos/xds/type/matcher/v3/ip';
import { MatcherSchema } from '@xebec/protos/xds/type/matcher/v3/matcher';
import { describe, expect, it } from 'vitest';
import { compileRbac, compileRbacMatcher } from '../rbac/rbac.ts';
import { testRequest, testStreamInfo } from '../test-stream-info.ts';

const registry = createRegistry(
  ActionSchema,
  HttpRequestHeaderMatchInputSchema,
  ServerNameInputSchema,
  SourceIPInputSchema,
  ServerNameMatcherSchema,
  IPMatcherSchema,
);
const typed = (name: string, more: Record<string, JsonValue> = {}) => ({
  name,
  typedConfig: { '@type': `type.googleapis.com/${name}`, ...more },
});
const network = 'envoy.extensions.matching.common_inputs.network.v3.';
const header = (name: string) => typed('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { headerName: name });
const allow = (name: string) => ({ action: typed('envoy.config.rbac.v3.Action', { name }) });
const is = (name: string, exact: string) => ({ singlePredicate: { input: header(name), valueMatch: { exact } } });
const policyOf = (matcher: JsonValue, headers: string[], connection = {}) =>
  compileRbacMatcher(fromJson(MatcherSchema, matcher, { registry }), 'rbac').evaluate(
    testRequest('/', 'h', headers),
    testStreamInfo(connection),
  ).policy;

describe('compileMatcherTree', () => {
  it('goes on where a nested matcher does not decide, and at last to on_no_match', () => {
    const matcher = {
      matcherList: {
        matchers: [
          {
            predicate: is('a', '1'),
            onMatch: { matcher: { matcherList: { matchers: [{ predicate: is('b', '1'), onMatch: allow('both') }] } } },
          },
          { predicate: { notMatcher: is('c', '1') }, onMatch: allow('not c') },
        ],
      },
      onNoMatch: allow('rest'),
    };
    expect(policyOf(matcher, ['a', '1', 'b', '1'])).toBe('both');
    expect(policyOf(matcher, ['a', '1'])).toBe('not c');
    expect(policyOf(matcher, ['a', '1', 'c', '1'])).toBe('rest');
  });
  it('prefers the longest prefix', () => {
    const map = { a: allow('a'), abc: allow('abc'), ab: allow('ab') };
    const matcher = { matcherTree: { input: header('x'), prefixMatchMap: { map } } };
    expect(policyOf(matcher, ['x', 'abcd'])).toBe('abc');
    expect(policyOf(matcher, ['x', 'abx'])).toBe('ab');
    expect(policyOf(matcher, ['x', 'b'])).toBeUndefined();
  });
  it('prefers the longest range, and leaves exclusive ones aside where a closer one did not decide', () => {
    const ranges = (prefixLen: number) => [{ addressPrefix: '10.0.0.0', prefixLen }];
    const inner = { matcher: { matcherList: { matchers: [{ predicate: is('a', '1'), onMatch: allow('close') }] } } };
    const matcher = (exclusive: boolean) => ({
      matcherTree: {
        input: typed(`${network}SourceIPInput`),
        customMatch: typed('xds.type.matcher.v3.IPMatcher', {
          rangeMatchers: [
            { ranges: ranges(8), onMatch: allow('far'), exclusive },
            { ranges: ranges(24), onMatch: inner },
          ],
        }),
      },
    });
    const from = { remoteAddress: '10.0.0.7' };
    expect(policyOf(matcher(false), ['a', '1'], from)).toBe('close');
    expect(policyOf(matcher(false), [], from)).toBe('far');
    expect(policyOf(matcher(true), [], from)).toBeUndefined();
  });
  it('finds server names by exact name, then by the longest wildcard', () => {
    const domainMatchers = ['a.example', '*.a.example', '*.example', '*'].map((domain) => ({ domains: [domain], onMatch: allow(domain) }));
    const matcher = {
      matcherTree: {
        input: typed(`${network}ServerNameInput`),
        customMatch: typed('xds.type.matcher.v3.ServerNameMatcher', { domainMatchers }),
      },
    };
    const by = (requestedServerName: string) => policyOf(matcher, [], { requestedServerName });
    expect(['a.example', 'b.a.example', 'c.b.a.example', 'b.example', 'other'].map(by)).toEqual([
      'a.example',
      '*.a.example',
      '*.a.example',
      '*.example',
      '*',
    ]);
    expect(by('')).toBeUndefined();
  });
  it('refuses inputs that do not belong to the place', () => {
    const matcher = fromJson(
      MatcherSchema,
      { matcherTree: { input: header('x'), exactMatchMap: { map: { a: allow('a') } } } },
      { registry },
    );
    expect(() => compileRbacMatcher(matcher, 'network-rbac')).toThrow('RBAC network filter cannot match on');
  });
});

describe('CEL conditions', () => {
  const ident = (name: string) => ({ identExpr: { name } });
  const method = { selectExpr: { operand: ident('request'), field: 'method' } };
  const equals = (operand: JsonValue, stringValue: string) => ({
    callExpr: { function: '_==_', args: [operand, { constExpr: { stringValue } }] },
  });
  const allowed = (condition: JsonValue) =>
    compileRbac(
      fromJson(RBACSchema, { policies: { p: { permissions: [{ any: true }], principals: [{ any: true }], condition } } }),
    ).evaluate(testRequest('/', 'h'), testStreamInfo()).allowed;
  it('hold only where the expression is true', () => {
    expect(allowed(equals(method, 'GET'))).toBe(true);
    expect(allowed(equals(method, 'POST'))).toBe(false);
    expect(allowed(method)).toBe(false);
    expect(allowed(equals(ident('unknown'), 'GET'))).toBe(false);
  });
});
