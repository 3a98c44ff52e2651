import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { createProtoRegistry } from '@xebec/protos/registry';
import { describe, expect, it } from 'vitest';
import { compileRouteTable } from './route-table.ts';
import { testRequest, testStreamInfo } from './test-stream-info.ts';

const registry = createProtoRegistry();
const table = (json: JsonValue) => compileRouteTable(fromJson(RouteConfigurationSchema, json, { registry }));
const context = (random = 0) => ({ info: testStreamInfo(), random });

describe('virtual hosts', () => {
  const hosts = table({
    ignorePortInHostMatching: true,
    virtualHosts: [
      { name: 'exact', domains: ['reviews'] },
      { name: 'suffix', domains: ['*.com'] },
      { name: 'longer', domains: ['*.foo.com'] },
      { name: 'prefix', domains: ['www.*'] },
      { name: 'any', domains: ['*'] },
    ],
  });
  it.each([
    ['reviews', 'exact'],
    ['REVIEWS:9080', 'exact'],
    ['a.com', 'suffix'],
    ['a.foo.com', 'longer'],
    ['.foo.com', 'suffix'],
    ['www.org', 'prefix'],
    ['www.x.com', 'suffix'],
    ['other', 'any'],
    ['', 'any'],
  ])('%s is served by %s', (authority, name) => expect(hosts.findVirtualHost(authority)?.name).toBe(name));
  it('refuses a domain that two virtual hosts claim', () => {
    expect(() =>
      table({
        virtualHosts: [
          { name: 'a', domains: ['x'] },
          { name: 'b', domains: ['X'] },
        ],
      }),
    ).toThrow('"X" of virtual host "b"');
  });
});

describe('routes', () => {
  const routes = table({
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        requestHeadersToAdd: [{ header: { key: 'x-level', value: 'vhost' } }],
        routes: [
          {
            name: 'jason',
            match: { prefix: '/', headers: [{ name: 'end-user', stringMatch: { exact: 'jason' } }] },
            route: { cluster: 'v2', timeout: '10s', prefixRewrite: '/new/', hostRewriteLiteral: 'inner' },
            requestHeadersToAdd: [{ header: { key: 'x-from', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } }],
          },
          {
            name: 'split',
            match: { pathSeparatedPrefix: '/split' },
            route: {
              weightedClusters: {
                clusters: [
                  { name: 'a', weight: 20 },
                  { name: 'b', weight: 80 },
                ],
              },
            },
          },
          { name: 'moved', match: { path: '/old' }, redirect: { portRedirect: 8443, httpsRedirect: true, pathRedirect: '/new' } },
        ],
      },
    ],
  });
  it('takes the first match and says why others failed', () => {
    const request = testRequest('/split/x?y=1', 'h');
    expect(routes.route(request, context())?.name).toBe('split');
    expect(routes.explain(request, context()).trials.map((trial) => trial.failed)).toEqual(['header end-user exact "jason"', undefined]);
    expect(routes.route(testRequest('/splitx', 'h'), context())).toBeUndefined();
  });
  it('chooses weighted clusters in proportion', () => {
    const action = routes.route(testRequest('/split', 'h'), context())?.action;
    if (action?.kind !== 'forward') throw new Error('not a forward action');
    const names = [0, 0.1999, 0.2, 0.9999].map((random) => action.chooseCluster(testRequest('/split', 'h'), random).name);
    expect(names).toEqual(['a', 'a', 'b', 'b']);
  });
  it('rewrites path and host and adds headers of every level', () => {
    const request = testRequest('/x?y=1', 'h', ['end-user', 'jason']);
    const route = routes.route(request, context());
    route?.finalizeRequest(request, undefined, { info: testStreamInfo(), request });
    expect(request).toMatchObject({ path: '/new/x?y=1', authority: 'inner' });
    expect(request.headers).toEqual([
      'end-user',
      'jason',
      'x-from',
      '127.0.0.1',
      'x-level',
      'vhost',
      'x-envoy-original-host',
      'h',
      'x-envoy-original-path',
      '/x?y=1',
    ]);
  });
  it('redirects', () => {
    const request = testRequest('/old?q=1', 'h:8080');
    const action = routes.route(request, context())?.action;
    if (action?.kind !== 'redirect') throw new Error('not a redirect');
    expect([action.status, action.location(request)]).toEqual([301, 'https://h:8443/new?q=1']);
  });
  it('names the route that does not compile', () => {
    const bad = {
      virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ name: 'r', match: { safeRegex: { regex: '(' } }, route: { cluster: 'c' } }] }],
    };
    expect(() => table(bad)).toThrow('virtual host "v" route "r"');
  });
});
