import { RBACPerRouteSchema, RBACSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import { describe, expect, it } from 'vitest';
import { compileTest, configBytes, TestStream, testContext } from '../../test-harness.ts';
import { rbacDefinition } from './config.ts';

const anyone = [{ any: true }];
const get = [{ header: { name: ':method', stringMatch: { exact: 'GET' } } }];
const policy = (name: string) => ({ [name]: { permissions: get, principals: anyone } });

describe('envoy.filters.http.rbac', () => {
  it('denies by policy with Envoy body and details', () => {
    const { context, clock, statsText } = testContext();
    const factory = compileTest(
      rbacDefinition,
      RBACSchema,
      { rules: { action: 'DENY', policies: policy('ns[a]-policy[b]-rule[0]') } },
      context,
    );
    const stream = new TestStream(factory, clock);
    expect(stream.head()).toBe('stop');
    expect(stream.replies).toEqual([
      { status: 403, body: 'RBAC: access denied', details: 'rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]]' },
    ]);
    expect(statsText()).toBe('http.test.rbac.denied: 1\n');
  });
  it('says none when no ALLOW policy matched', () => {
    const { context, clock } = testContext();
    const factory = compileTest(rbacDefinition, RBACSchema, { rules: { policies: policy('p') } }, context);
    const stream = new TestStream(factory, clock, { request: { method: 'POST' } });
    stream.head();
    expect(stream.replies[0]?.details).toBe('rbac_access_denied_matched_policy[none]');
  });
  it('evaluates shadow rules without enforcing them', () => {
    const { context, clock, statsText } = testContext();
    const config = { shadowRules: { action: 'DENY', policies: policy('p') }, shadowRulesStatPrefix: 'istio_dry_run_deny_' };
    const stream = new TestStream(compileTest(rbacDefinition, RBACSchema, config, context), clock);
    expect(stream.head()).toBe('continue');
    expect(stream.info.dynamicMetadata.get('envoy.filters.http.rbac')).toEqual({
      istio_dry_run_deny_shadow_effective_policy_id: 'p',
      istio_dry_run_deny_shadow_engine_result: 'denied',
    });
    expect(statsText()).toBe('http.test.rbac.istio_dry_run_deny_.shadow_denied: 1\n');
  });
  it('is switched off or replaced by a route', () => {
    const { context, clock } = testContext();
    const factory = compileTest(rbacDefinition, RBACSchema, { rules: {} }, context);
    const off = rbacDefinition.compilePerRoute?.(configBytes(RBACPerRouteSchema), RBACPerRouteSchema.typeName);
    expect(new TestStream(factory, clock, { perRoute: off }).head()).toBe('continue');
    const other = rbacDefinition.compilePerRoute?.(configBytes(RBACPerRouteSchema, { rbac: { rules: { policies: policy('p') } } }), '');
    expect(new TestStream(factory, clock, { perRoute: other }).head()).toBe('continue');
    expect(new TestStream(factory, clock).head()).toBe('stop');
  });
});
