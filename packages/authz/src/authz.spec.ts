import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { ExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/http/ext_authz/v3/ext_authz';
import { JwtAuthenticationSchema } from '@xebec/protos/envoy/extensions/filters/http/jwt_authn/v3/config';
import { RBACSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import { HttpConnectionManagerSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { describe, expect, it } from 'vitest';
import { decide } from './decide.ts';
import { GuardedListeners, guardSteps } from './guards.ts';
import { matrices, sampleCall } from './matrix.ts';
import { readRecordedRequests } from './recorded-requests.ts';
import { simulate } from './simulate.ts';
import { summarize } from './summary.ts';

const filter = (config: Any) => ({ name: '', configType: { case: 'typedConfig' as const, value: config } });
const rbac = (json: JsonValue) => anyPack(RBACSchema, fromJson(RBACSchema, json));
const caller = (name: string): JsonValue => ({
  authenticated: { principalName: { exact: `spiffe://cluster.local/ns/default/sa/${name}` } },
});
const path = (prefix: string): JsonValue => ({ urlPath: { path: { prefix } } });
const rules = (action: string, name: string, permission: JsonValue, principal: JsonValue): JsonValue => ({
  action,
  policies: { [name]: { permissions: [permission], principals: [principal] } },
});
const any = { any: true };
const ALLOW = rbac({ rules: rules('ALLOW', 'ns[default]-policy[web]-rule[0]', any, caller('web')) });
const DENY = rbac({ rules: rules('DENY', 'ns[root]-policy[admin]-rule[1]', path('/admin'), any) });
const MARK = rbac({
  shadowRules: rules('DENY', 'istio-ext-authz-opa-ns[default]-policy[ask]-rule[0]', path('/ask'), any),
  shadowRulesStatPrefix: 'istio_ext_authz_',
});
const ASK = anyPack(
  ExtAuthzSchema,
  fromJson(ExtAuthzSchema, {
    grpcService: { envoyGrpc: { clusterName: 'opa' } },
    filterEnabledMetadata: {
      filter: 'envoy.filters.http.rbac',
      path: [{ key: 'istio_ext_authz_shadow_effective_policy_id' }],
      value: { stringMatch: { prefix: 'istio-ext-authz-opa' } },
    },
  }),
);
const TOKENS = anyPack(
  JwtAuthenticationSchema,
  fromJson(JwtAuthenticationSchema, {
    providers: { p: { issuer: 'me', payloadInMetadata: 'payload', localJwks: { inlineString: '{}' } } },
  }),
);

function inbound(...filters: readonly Any[]): GuardedListeners {
  const manager = anyPack(HttpConnectionManagerSchema, create(HttpConnectionManagerSchema, { httpFilters: filters.map(filter) }));
  const listener = create(ListenerSchema, {
    name: 'virtualInbound',
    trafficDirection: TrafficDirection.INBOUND,
    filterChains: [{ name: 'all', filters: [filter(manager)] }],
  });
  return new GuardedListeners([listener]);
}

const call = (target: string, who: string | undefined, claims?: Record<string, unknown>) => ({
  ...sampleCall(9080, 'http', 'GET', target, who === undefined ? undefined : `spiffe://cluster.local/ns/default/sa/${who}`),
  claims,
});

describe('decide', () => {
  const listeners = inbound(MARK, ASK, TOKENS, DENY, ALLOW);
  it.each([
    ['/', 'web', undefined, 'allowed', 'allowed by default/web rule 0'],
    ['/admin/x', 'web', undefined, 'denied', 'denied by root/admin rule 1'],
    [
      '/',
      'other',
      undefined,
      'denied',
      'no ALLOW policy matches: default/web rule 0 lacks caller exact "spiffe://cluster.local/ns/default/sa/web"',
    ],
    ['/ask', 'web', undefined, 'asked', 'provider opa is asked, by default/ask rule 0'],
    [
      '/ask',
      undefined,
      undefined,
      'denied',
      'no ALLOW policy matches: default/web rule 0 lacks caller exact "spiffe://cluster.local/ns/default/sa/web"',
    ],
    ['/', 'web', { iss: 'you' }, 'denied', 'the token is of you, whom nobody trusts here'],
    ['/', 'web', { iss: 'me' }, 'allowed', 'allowed by default/web rule 0'],
  ] as const)('%s from %s with %o', (target, who, claims, answer, because) => {
    expect(decide(listeners, call(target, who, claims))).toMatchObject({ answer, because });
  });
  it('says when nothing guards', () => {
    expect(decide(inbound(), call('/', undefined))).toMatchObject({ answer: 'allowed', because: 'no policy applies' });
    expect(decide(new GuardedListeners([]), call('/', 'web'))).toMatchObject({
      answer: 'denied',
      because: 'no filter chain takes the connection',
    });
  });
});

describe('summarize and matrices', () => {
  it('name policies in the order in which they are asked', () => {
    expect(summarize(inbound(MARK, ASK, DENY, ALLOW).all)).toEqual([
      { action: 'CUSTOM', policy: 'ask.default', rules: 1, dryRun: false },
      { action: 'DENY', policy: 'admin.root', rules: 1, dryRun: false },
      { action: 'ALLOW', policy: 'web.default', rules: 1, dryRun: false },
    ]);
  });
  it('ask about what rules tell apart', () => {
    const [matrix] = matrices(inbound(DENY, ALLOW));
    expect(matrix?.calls.map((one) => one.path.label)).toEqual(['/admin*', '(any other path)']);
    expect(matrix?.rows.map(({ caller: who, decisions }) => [who.label, ...decisions.map(({ answer }) => answer)])).toEqual([
      ['cluster.local/ns/default/sa/web', 'denied', 'allowed'],
      ['(any other identity)', 'denied', 'denied'],
      ['(plain text)', 'denied', 'denied'],
    ]);
  });
});

describe('matrices of token holders', () => {
  const claim = (name: string, value: JsonValue): JsonValue => ({
    metadata: { filter: 'envoy.filters.http.jwt_authn', path: [{ key: 'payload' }, { key: name }], value: { stringMatch: value } },
  });
  it('have a row for each issuer and subject', () => {
    const holder: JsonValue = { andIds: { ids: [claim('iss', { exact: 'me' }), claim('sub', { safeRegex: { regex: '.+' } })] } };
    const [matrix] = matrices(inbound(TOKENS, rbac({ rules: rules('ALLOW', 'ns[default]-policy[holders]-rule[0]', any, holder) })));
    expect(matrix?.rows.map(({ caller: who, decisions }) => [who.label, ...decisions.map(({ answer }) => answer)])).toEqual([
      ['token of me/any', 'allowed'],
      ['(any other identity)', 'denied'],
      ['(plain text)', 'denied'],
    ]);
  });
});

describe('simulate', () => {
  const change = (...names: string[]) => ({ replaced: new Set(names), http: [] as ReturnType<typeof guardSteps>, tcp: [] });
  const steps = (...configs: readonly Any[]) => guardSteps(configs.map((config) => ({ name: '', config })));
  const records = [call('/', 'web'), call('/', 'other'), call('/admin', 'web'), call('/admin', 'web')];

  it('tells what differs, the most frequent first', () => {
    const { unchanged, changes } = simulate(inbound(DENY, ALLOW), change('root/admin'), records);
    expect([unchanged, changes.map(({ requests, before, after }) => [requests, before.answer, after.answer])]).toEqual([
      2,
      [[2, 'denied', 'allowed']],
    ]);
  });
  it('lets all in where the last ALLOW policy goes, and nobody where the first one comes', () => {
    expect(simulate(inbound(ALLOW), change('default/web'), records).changes.map(({ after }) => after.because)).toEqual([
      'no policy applies',
    ]);
    const first = { ...change(), http: steps(rbac({ rules: rules('ALLOW', 'ns[default]-policy[new]-rule[0]', path('/none'), any) })) };
    expect(simulate(inbound(), first, records).unchanged).toBe(0);
  });
  it('asks providers of policies that come', () => {
    const name = 'istio-ext-authz-new-ns[default]-policy[ask]-rule[0]-deny-due-to-bad-CUSTOM-action';
    const custom = { ...change(), http: steps(rbac({ rules: rules('DENY', name, path('/admin'), any) })) };
    const { changes } = simulate(inbound(ALLOW), custom, records);
    expect(changes.map(({ after }) => after)).toMatchObject([{ answer: 'asked', because: 'provider new is asked, by default/ask rule 0' }]);
  });
});

describe('readRecordedRequests', () => {
  it('reads logs and lines of our own, and says what it cannot read', () => {
    const lines = [
      '{"method":"GET","path":"/a","upstream_cluster":"inbound|9080||","downstream_remote_address":"10.0.0.1:99","requested_server_name":"outbound_.9080_._.a"}',
      '{"port":7,"protocol":"tcp","principal":"cluster.local/ns/a/sa/b","remote_ip":"::1"}',
      '{"method":"GET","path":"/","upstream_cluster":"outbound|80||b"}',
      'text',
      '{"method":"GET"}',
    ];
    const { records, outbound, problems } = readRecordedRequests(lines.join('\n'), 'log');
    expect(records).toMatchObject([
      { origin: 'log:1', port: 9080, protocol: 'http', clientAddress: '10.0.0.1', principal: undefined, principalUnknown: true },
      { port: 7, protocol: 'tcp', principal: 'spiffe://cluster.local/ns/a/sa/b', clientAddress: '::1' },
    ]);
    expect([outbound, problems.map((problem) => problem.slice(0, 15))]).toEqual([1, ['log:4: not a JS', 'log:5: no port:']]);
  });
});
