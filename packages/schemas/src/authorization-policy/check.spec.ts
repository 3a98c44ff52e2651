import { describe, expect, it } from 'vitest';
import { findingsOf } from '../testing-check.ts';

const check = (spec: string, dryRun?: string): string[] =>
  findingsOf('AuthorizationPolicy', spec, dryRun === undefined ? {} : { 'istio.io/dry-run': dryRun });

describe('checkAuthorizationPolicy', () => {
  it.each([
    '{}',
    '{rules: [{}]}',
    '{action: DENY, rules: [{from: [{source: {ipBlocks: [10.0.0.0/8, "::1", "fe80::1%eth0"]}}]}]}',
    '{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ["80", "065"]}}]}]}',
    '{action: DENY, rules: [{when: [{key: "request.headers[x-id]", values: [a]}, {key: source.ip, notValues: [10.0.0.1]}]}]}',
    '{action: CUSTOM, provider: {name: p}, rules: [{to: [{operation: {paths: ["/a/{*}/b/{**}", "/x*"]}}]}]}',
    '{rules: [{from: [{source: {serviceAccounts: [a, b/c]}}], to: [{operation: {paths: ["/{**}/last"]}}]}]}',
    '{rules: [{from: [{source: {trustDomains: ["*", "a*", "*.b"]}}]}], targetRefs: [{kind: Service, name: a, group: core}]}',
    '{targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: g}}',
  ])('takes %s', (spec) => expect(check(spec)).toEqual([]));

  it.each([
    ['{action: DENY}', 'spec.rules: DENY without rules never applies'],
    ['{action: CUSTOM, rules: []}', 'spec.rules: CUSTOM without rules never applies'],
    ['{action: CUSTOM, rules: [{}]}', 'spec.provider.name: must be set with action CUSTOM'],
    ['{action: ALLOW, provider: {name: p}}', 'spec.provider: only for action CUSTOM, not for ALLOW'],
    [
      '{action: CUSTOM, provider: {name: p}, rules: [{from: [{source: {principals: [a]}}]}]}',
      'spec.rules[0].from[0].source.principals: not supported',
    ],
    [
      '{action: CUSTOM, provider: {name: p}, rules: [{when: [{key: request.auth.principal, values: [a]}]}]}',
      'spec.rules[0].when[0].key: "request.auth.principal" is not supported',
    ],
    ['{rules: [{from: [{}]}]}', 'spec.rules[0].from[0].source: must not be empty'],
    ['{rules: [{from: [{source: {principals: []}}]}]}', 'spec.rules[0].from[0].source: must not be empty'],
    ['{rules: [{from: [{source: {principals: [""]}}]}]}', 'spec.rules[0].from[0].source.principals[0]: must not be empty'],
    [
      '{rules: [{from: [{source: {serviceAccounts: [a], notNamespaces: [b]}}]}]}',
      'spec.rules[0].from[0].source.serviceAccounts: cannot stand beside notNamespaces',
    ],
    ['{rules: [{from: [{source: {serviceAccounts: [a/b/c]}}]}]}', 'spec.rules[0].from[0].source.serviceAccounts[0]: "a/b/c" is neither'],
    ['{rules: [{from: [{source: {serviceAccounts: ["a*"]}}]}]}', 'spec.rules[0].from[0].source.serviceAccounts[0]: "a*": wildcards'],
    [
      `{rules: [{from: [{source: {serviceAccounts: [${Array(17).fill('a').join(',')}]}}]}]}`,
      'spec.rules[0].from[0].source.serviceAccounts: 17 accounts',
    ],
    ['{rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}]}', 'spec.rules[0].from[0].source.ipBlocks[0]: "10.0.0.0/33" is not a CIDR'],
    [
      '{rules: [{from: [{source: {notRemoteIpBlocks: [host]}}]}]}',
      'spec.rules[0].from[0].source.notRemoteIpBlocks[0]: "host" is not an IP',
    ],
    [
      '{rules: [{from: [{source: {trustDomains: [a/b]}}]}]}',
      'spec.rules[0].from[0].source.trustDomains[0]: "a/b": a trust domain has no "/"',
    ],
    ['{rules: [{to: [{}]}]}', 'spec.rules[0].to[0].operation: must not be empty'],
    ['{rules: [{to: [{operation: {ports: ["70000"]}}]}]}', 'spec.rules[0].to[0].operation.ports[0]: "70000" is not a port'],
    ['{rules: [{to: [{operation: {paths: ["/{**}/{*}"]}}]}]}', 'spec.rules[0].to[0].operation.paths[0]: "/{**}/{*}": nothing but literal'],
    ['{rules: [{to: [{operation: {notPaths: ["/a{*}"]}}]}]}', 'spec.rules[0].to[0].operation.notPaths[0]: "/a{*}": braces'],
    ['{rules: [{to: [{operation: {paths: ["/a b/{*}"]}}]}]}', 'spec.rules[0].to[0].operation.paths[0]: "/a b/{*}": segment "a b"'],
    ['{rules: [{when: [{key: source.i, values: [a]}]}]}', 'spec.rules[0].when[0].key: unknown key "source.i"; did you mean "source.ip"?'],
    [
      '{rules: [{when: [{key: "request.headers[]", values: [a]}]}]}',
      'spec.rules[0].when[0].key: "request.headers[]" has no name in brackets',
    ],
    [
      '{rules: [{when: [{key: "destination.labels[a]", values: [a]}]}]}',
      'spec.rules[0].when[0].key: "destination.labels[a]" is not supported; use spec.selector',
    ],
    ['{rules: [{when: [{key: source.ip}]}]}', 'spec.rules[0].when[0]: at least one of values and notValues'],
    ['{rules: [{when: [{values: [a]}]}]}', 'spec.rules[0].when[0].key: must not be empty'],
    ['{rules: [{when: [{key: destination.port, notValues: [http]}]}]}', 'spec.rules[0].when[0].notValues[0]: "http" is not a port'],
    ['{selector: {matchLabels: {a: b}}, targetRef: {kind: Service, name: a}}', 'spec: only one of selector, targetRef and targetRefs'],
    ['{selector: {matchLabels: {a: "b*"}}}', 'spec.selector.matchLabels: "a=b*": wildcards'],
    ['{targetRef: {kind: Pod, name: a}}', 'spec.targetRef: "Pod" cannot have policies'],
    ['{targetRefs: [{kind: Service, name: a, namespace: c}]}', 'spec.targetRefs[0].namespace: must not be set'],
  ])('refuses %s', (spec, wanted) => expect(check(spec)).toEqual([expect.stringMatching(new RegExp(`^${literal(wanted)}`))]));

  it.each([
    ['{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}', 'warning spec.rules[0]: a DENY rule of nothing but HTTP attributes'],
    [
      '{action: DENY, rules: [{from: [{source: {requestPrincipals: [a]}}]}]}',
      'warning spec.rules[0]: a DENY rule of nothing but HTTP attributes',
    ],
    ['{selector: {}}', 'warning spec.selector.matchLabels: a selector without labels'],
  ])('warns of %s', (spec, wanted) => expect(check(spec)).toEqual([expect.stringMatching(new RegExp(`^${literal(wanted)}`))]));

  it('takes a dry run of ALLOW and DENY alone, and a boolean alone', () => {
    expect(check('{}', 'true')).toEqual([]);
    expect(check('{}', 'yes')).toEqual(['metadata.annotations.istio.io/dry-run: "yes" is not a boolean: write true or false']);
    expect(check('{action: AUDIT}', 'true')).toEqual([
      'metadata.annotations.istio.io/dry-run: only ALLOW and DENY can be a dry run, not AUDIT',
    ]);
  });
});

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
