import { describe, expect, it } from 'vitest';
import { decodeMeshConfig } from './mesh-config/decode.ts';

describe('plainProtoJson', () => {
  it('takes numbers as text, names of the .proto file and null, as Istio does', () => {
    const decoded = decodeMeshConfig({
      trust_domain: 'shop.example',
      rootNamespace: null,
      defaultConfig: { tracing: { sampling: '12.5' }, proxy_metadata: { some_key: '7' } },
      extensionProviders: [{ name: 'authz', envoyExtAuthzGrpc: { service: 'authz.default.svc.cluster.local', port: '9000' } }],
    });
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
    expect(decoded.value).toMatchObject({
      trustDomain: 'shop.example',
      rootNamespace: 'istio-system',
      defaultConfig: { tracing: { sampling: 12.5 }, proxyMetadata: { some_key: '7' } },
    });
    expect(decoded.value.extensionProviders?.[0]).toMatchObject({ envoyExtAuthzGrpc: { port: 9000 } });
  });
  it('leaves what is wrong for the schema to name, and unknown fields out', () => {
    const wrong = decodeMeshConfig({ proxyListenPort: 'many', trust_domian: 'x' });
    expect(wrong.ok ? [] : wrong.error.map(({ path }) => path)).toEqual(['proxyListenPort']);
    const unknown = decodeMeshConfig({ trust_domian: 'x' });
    expect(unknown.ok ? unknown.value : undefined).toMatchObject({ trustDomain: 'cluster.local' });
  });
});
