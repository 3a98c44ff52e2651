import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grpcAuthorizer, httpAuthorizer } from './authorizers.ts';
import { type GuardedGateway, startGuardedGateway } from './guarded-gateway.ts';

const rule = (name: string): string => `rbac_access_denied_matched_policy[ns[default]-policy[${name}]-rule[0]]`;

describe.each([
  { proxy: 'xebec', kind: 'http', failOpen: false },
  { proxy: 'xebec', kind: 'grpc', failOpen: true },
  { proxy: 'envoy', kind: 'http', failOpen: false },
  { proxy: 'envoy', kind: 'grpc', failOpen: true },
] as const)('requests to a $proxy gateway with a $kind authorizer', ({ proxy, kind, failOpen }) => {
  let gateway: GuardedGateway;
  const authorizer = kind === 'http' ? httpAuthorizer : grpcAuthorizer;
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  beforeAll(async () => {
    gateway = await startGuardedGateway(proxy, kind, failOpen);
  }, 40_000);
  afterAll(async () => gateway?.close());

  it('found the keys of its issuer by OpenID discovery', () => {
    expect(gateway.issuer.asked).toEqual(['/.well-known/openid-configuration', '/keys']);
  });

  it('are denied by name: in the log, and in the header that the operator asked for', async () => {
    for (const [path, policy] of [
      ['/admin', rule('no-admin')],
      ['/other', 'rbac_access_denied_matched_policy[none]'],
    ] as const) {
      const { status, text, headers } = await gateway.ask(path);
      expect([status, text, headers.get('x-denied-by')]).toEqual([403, 'RBAC: access denied', policy]);
      expect(await gateway.logged(path)).toMatchObject({ code: 403, details: policy });
    }
  });

  it('say nothing of policies that let them pass', async () => {
    const { status, headers } = await gateway.ask('/public');
    expect([status, headers.get('x-denied-by')]).toEqual([200, null]);
  });

  it('are marked by AUDIT, and by DENY on trial', async () => {
    expect([(await gateway.ask('/public/watched')).status, (await gateway.ask('/public/trial')).status]).toEqual([200, 200]);
    expect(await gateway.logged('/public/watched')).toMatchObject({ audit: true, trial: null });
    expect(await gateway.logged('/public/trial')).toMatchObject({ audit: false, trial: 'ns[default]-policy[trial]-rule[0]' });
  });

  it('pass where the authorizer allows, with what it adds and without what it must not see', async () => {
    authorizer.take();
    const { status, seen } = await gateway.ask('/asked', {
      method: 'POST',
      body: 'more than eight bytes',
      headers: { 'x-token': 't', 'x-secret': 's', 'x-user': 'forged' },
    });
    expect([status, seen?.['x-user'], seen?.['x-hidden']]).toEqual([200, 'jason', undefined]);
    const asked = JSON.stringify(authorizer.take());
    expect(asked).toContain('"more tha');
    if (kind === 'grpc') return;
    expect(asked).toContain('x-token');
    expect(asked).toContain('gateway');
    expect(asked).not.toContain('x-secret');
  });

  it('get the answer of an authorizer that denies', async () => {
    const { status, text, headers } = await gateway.ask('/asked/deny');
    expect([status, text, headers.get('x-why'), headers.get('x-hidden')]).toEqual([401, 'not you', 'because', null]);
    expect(await gateway.logged('/asked/deny')).toMatchObject({ code: 401, details: 'ext_authz_denied', flags: 'UAEX' });
  });

  it(`${failOpen ? 'pass' : 'get the status of the provider'} when the authorizer says nothing in time`, async () => {
    const { status } = await gateway.ask('/asked/hang');
    expect(status).toBe(failOpen ? 200 : 503);
  });

  it('are asked about before DENY, and only where CUSTOM says so', async () => {
    authorizer.take();
    const { status, headers } = await gateway.ask('/admin/asked');
    expect([status, headers.get('x-denied-by'), authorizer.take().length]).toEqual([403, rule('no-admin'), 1]);
    await gateway.ask('/admin');
    expect(authorizer.take()).toEqual([]);
  });

  it('need a good token where only token holders may pass', async () => {
    const { issuer } = gateway;
    const { status, seen } = await gateway.ask('/private/a', bearer(issuer.token()));
    // The token ends here; its subject goes on.
    expect([status, seen?.['authorization'], seen?.['x-subject']]).toEqual([200, undefined, 'somebody']);
    expect((await gateway.ask('/private/a', { headers: { 'x-subject': 'forged' } })).status).toBe(403);
    // The template has one segment.
    expect((await gateway.ask('/private/a/b', bearer(issuer.token()))).status).toBe(403);
    expect((await gateway.ask('/public', { headers: { 'x-subject': 'forged' } })).seen?.['x-subject']).toBeUndefined();
  });

  it.each([
    ['forged', 401, 'Jwt verification fails'],
    ['unsigned', 401, 'Jwt header [alg] is not supported'],
    ['confused', 401, ''],
  ] as const)('with a token that is %s are refused, also where none is needed', async (how, status, text) => {
    const answer = await gateway.ask('/public', bearer(gateway.issuer[how]()));
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(text);
  });

  it.each([
    [{ exp: 1_000_000_000 }, 'Jwt is expired'],
    [{ nbf: 4_000_000_000 }, 'Jwt not yet valid'],
    [{ iss: 'http://127.0.0.1:1' }, 'Jwt issuer is not configured'],
  ])('with claims %o are refused', async (claims, text) => {
    const answer = await gateway.ask('/public', bearer(gateway.issuer.token(claims)));
    expect([answer.status, answer.text]).toEqual([401, text]);
  });

  it('allow a minute between clocks', async () => {
    const now = Math.floor(Date.now() / 1000);
    const statusOf = async (exp: number) => (await gateway.ask('/public', bearer(gateway.issuer.token({ exp })))).status;
    expect([await statusOf(now - 30), await statusOf(now - 90)]).toEqual([200, 401]);
  });

  it('go where the claims of a valid token send them', async () => {
    const routed = async (claims: object) => (await gateway.ask('/public', bearer(gateway.issuer.token(claims)))).seen?.['backend'];
    expect([await routed({ groups: ['users', 'admin'] }), await routed({ groups: ['users'] }), await routed({})]).toEqual([
      'v2',
      'v1',
      'v1',
    ]);
    expect(
      (await gateway.ask('/public', { headers: { '@request.auth.claims.groups': 'admin' } }).catch(() => undefined))?.seen?.['backend'],
    ).not.toBe('v2');
  });

  it('are what the command line says of the live policy, and of another', async () => {
    const checked = await gateway.authz(['check', '-f', 'DUMP']);
    expect(checked).toMatch(
      /^ACTION +AuthorizationPolicy +RULES\nCUSTOM +ask\.default +1\nDENY +no-admin\.default +1\nDENY +trial\.default \(dry run\) +1\nALLOW +readers\.default +2\nAUDIT +watch\.default +1\n/,
    );
    expect(checked).toMatch(/token of http\S+ +- +- +ask +yes +yes +yes +yes +-\n/);
    expect(checked).toMatch(/\(plain text\) +- +- +ask +- +yes +yes +yes +-\n/);
    const path = '/admin/simulated';
    await gateway.ask(path);
    await gateway.logged(path);
    const simulated = await gateway.authz(['simulate', '--without', 'default/no-admin', '--requests', 'LOG', '--config-dump', 'DUMP']);
    expect(simulated).toMatch(/denied 403 +allowed +127\.0\.0\.1 +GET \/admin\/simulated :\d+ +allowed by default\/readers rule 0/);
  }, 30_000);
});
