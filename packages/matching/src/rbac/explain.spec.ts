import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { RBACSchema } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { describe, expect, it } from 'vitest';
import { testRequest, testStreamInfo } from '../test-stream-info.ts';
import { explainRbac } from './explain.ts';
import { compileRbac } from './rbac.ts';

const caller = (sa: string) => ({ authenticated: { principalName: { exact: `spiffe://cluster.local/ns/default/sa/${sa}` } } });
const method = (...names: string[]) => ({
  orRules: { rules: names.map((name) => ({ header: { name: ':method', stringMatch: { exact: name } } })) },
});
const rules: JsonValue = {
  policies: {
    'ns[default]-policy[reads]-rule[0]': {
      permissions: [{ andRules: { rules: [method('GET', 'HEAD'), { urlPath: { path: { prefix: '/public' } } }] } }],
      principals: [{ andIds: { ids: [{ orIds: { ids: [caller('web'), caller('cli')] } }] } }],
    },
    'ns[default]-policy[all]-rule[0]': { permissions: [{ any: true }], principals: [{ andIds: { ids: [caller('admin')] } }] },
  },
};

function trials(request: { method?: string; path?: string; sa?: string }) {
  const tls = {
    version: 'TLSv1.3',
    cipher: '',
    alpn: 'istio',
    peer: { uriSans: [`spiffe://cluster.local/ns/default/sa/${request.sa ?? 'web'}`], dnsSans: [], subject: '', sha256: '', pem: '' },
  };
  const context = { request: testRequest(request.path ?? '/public/a', 'h', [], request.method), info: testStreamInfo({ tls }) };
  const config = fromJson(RBACSchema, rules);
  const found = explainRbac(config, context);
  // The explanation and the decision are of one mind.
  expect(found.find(({ failed }) => failed === undefined)?.policy).toBe(compileRbac(config).evaluate(context.request, context.info).policy);
  return found.map(({ failed }) => failed);
}

describe('explainRbac', () => {
  const notAdmin = 'caller exact "spiffe://cluster.local/ns/default/sa/admin"';
  it('names the first condition of each policy that did not hold', () => {
    expect(trials({})).toEqual([notAdmin, undefined]);
    expect(trials({ method: 'POST' })).toEqual([notAdmin, '(header :method exact "GET" or header :method exact "HEAD")']);
    expect(trials({ path: '/private' })).toEqual([notAdmin, 'path prefix "/public"']);
    const web = 'caller exact "spiffe://cluster.local/ns/default/sa/web"';
    const cli = 'caller exact "spiffe://cluster.local/ns/default/sa/cli"';
    expect(trials({ sa: 'other' })).toEqual([notAdmin, `(${web} or ${cli})`]);
  });
  it('stops at the policy that matched', () => {
    expect(trials({ sa: 'admin', method: 'DELETE' })).toEqual([undefined]);
  });
});
