import { describe, expect, it } from 'vitest';
import { ALPN, METADATA_EXCHANGE, MIXER, STATS } from './extensions.ts';
import { render } from './testing/scenario.ts';

const node = (extensions: string[]) => ({
  id: 'sidecar~10.0.0.1~shop.default~default.svc.cluster.local',
  extensions: extensions.map((name) => ({ name })),
  metadata: { LABELS: { app: 'shop' } },
});
const services = [
  {
    host: 'shop.default.svc.cluster.local',
    address: '10.96.0.1',
    ports: [{ name: 'http', number: 80, targetPort: 8080 }],
    selector: { app: 'shop' },
  },
  {
    host: 'istio-mixer.istio-system.svc.cluster.local',
    address: '10.96.0.2',
    ports: [{ name: 'grpc', number: 9091 }],
    selector: { istio: 'mixer' },
  },
];
const mesh = { mixerReportServer: 'istio-mixer.istio-system.svc.cluster.local:9091' };
const sent = (extensions: string[]) => JSON.stringify(render({ node: node(extensions), services, mesh }));

describe('filters that a stock Envoy lacks', () => {
  it.each([METADATA_EXCHANGE, ALPN, STATS, MIXER])('%s goes only to a proxy that lists it', (name) => {
    expect(sent([])).not.toContain(`"${name}"`);
    expect(sent([name])).toContain(`"${name}"`);
  });
});

describe('a proxy of ours that lacks a filter', () => {
  const jwks = '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}';
  const objects = [
    {
      apiVersion: 'security.istio.io/v1',
      kind: 'RequestAuthentication',
      metadata: { name: 'jwt', namespace: 'default' },
      spec: { jwtRules: [{ issuer: 'A', jwks }] },
    },
  ];
  const ours = (extensions: string[]) =>
    JSON.stringify(render({ node: { ...node(extensions), userAgentName: 'xebec' }, services, mesh, objects }).listeners);
  const missing = 'xebec-filter-missing[envoy.filters.http.jwt_authn]';

  it('never gets it, and denies every request where it would have guarded', () => {
    const text = ours([]);
    expect(text).toContain(missing);
    expect(text).not.toMatch(/"envoy\.filters\.http\.(jwt_authn|cors|fault|grpc_stats)"/);
  });
  it('gets it when it lists it', () => {
    const text = ours(['envoy.filters.http.jwt_authn', 'envoy.filters.http.cors']);
    expect(text).toMatch(/"envoy\.filters\.http\.jwt_authn"/);
    expect(text).toMatch(/"envoy\.filters\.http\.cors"/);
    expect(text).not.toContain(missing);
  });
});
