import { fromBinary } from '@bufbuild/protobuf';
import type { JwksFetch } from '@xebec/model';
import { JwtAuthenticationSchema } from '@xebec/protos/envoy/extensions/filters/http/jwt_authn/v3/config';
import { describe, expect, it } from 'vitest';
import { build } from '../testing/scenario.ts';
import { jwtFilters } from './filters.ts';

const IN_MESH = 'http://keys.default.svc.cluster.local:8000/set';
const OUTSIDE = 'https://keys.example/set';
const set = (name: string): string => JSON.stringify({ keys: [{ kty: 'oct', k: 'AQ', kid: name }] });

/** Where the keys of a rule come from: what stands in the filter, cluster and URL of a fetch, or `none fit`. */
function source(uri: string, jwksFetch: JwksFetch, more: { fetched?: string; jwks?: string } = {}): string {
  const { snapshot, proxy } = build({
    node: { id: 'sidecar~10.244.0.1~a.default~default.svc.cluster.local', metadata: { NAMESPACE: 'default' } },
    services: [
      { host: 'keys.default.svc.cluster.local', address: '10.96.0.1', ports: [{ name: 'http', number: 8000 }], selector: { app: 'keys' } },
    ],
    objects: [
      {
        apiVersion: 'security.istio.io/v1',
        kind: 'RequestAuthentication',
        metadata: { name: 'a', namespace: 'default' },
        spec: { jwtRules: [{ issuer: 'https://issuer.example', jwksUri: uri, ...(more.jwks === undefined ? {} : { jwks: more.jwks }) }] },
      },
    ],
  });
  const jwks = (name: string) => (name === uri ? more.fetched : undefined);
  const [filter] = jwtFilters({ ...snapshot, jwksFetch, jwks }, proxy).http;
  const config = filter?.configType?.case === 'typedConfig' ? filter.configType.value : undefined;
  const keys =
    config?.value === undefined ? undefined : fromBinary(JwtAuthenticationSchema, config.value).providers['origins-0']?.jwksSourceSpecifier;
  if (keys?.case === 'remoteJwks') return `${keys.value.httpUri?.httpUpstreamType.value} ${keys.value.httpUri?.uri}`;
  const text = keys?.case === 'localJwks' && keys.value.specifier.case === 'inlineString' ? keys.value.specifier.value : '';
  return text.includes('"kid":"none"') ? 'none fit' : text;
}

describe('keys of a jwksUri', () => {
  it('are those that pilot has fetched, and none that fit until it has', () => {
    for (const uri of [IN_MESH, OUTSIDE]) {
      expect(source(uri, 'pilot')).toBe('none fit');
      expect(source(uri, 'pilot', { fetched: set('fetched') })).toBe(set('fetched'));
      expect(source(uri, 'pilot', { jwks: set('inline') })).toBe(set('inline'));
    }
  });
  it('are fetched by proxies from services of the mesh and by pilot elsewhere, where both may', () => {
    const cluster = 'outbound|8000||keys.default.svc.cluster.local';
    expect(source(IN_MESH, 'hybrid', { fetched: set('fetched'), jwks: set('inline') })).toBe(`${cluster} ${IN_MESH}`);
    expect(source(OUTSIDE, 'hybrid')).toBe('none fit');
    expect(source(OUTSIDE, 'hybrid', { fetched: set('fetched') })).toBe(set('fetched'));
  });
  it('are fetched by proxies alone where they must, even from hosts that nobody knows', () => {
    expect(source(OUTSIDE, 'proxy', { fetched: set('fetched') })).toBe(`outbound|443||keys.example ${OUTSIDE}`);
  });
});
