import { fact } from '@xebec/incremental';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { type MeshProxyConfig, meshProxyConfig, type ProxyHeadersConfig } from '@xebec/schemas';

/** The ProxyConfig a proxy runs with: what it says it started with (metadata `PROXY_CONFIG`), else the mesh's `defaultConfig`. */
export function proxyConfigOf(snapshot: MeshSnapshot, proxy: MeshProxy): MeshProxyConfig {
  const fallback = snapshot.mesh.defaultConfig ?? {};
  const given = proxy.metadata['PROXY_CONFIG'];
  if (typeof given !== 'object' || given === null) return fallback;
  // A proxy of another version may send fields that nobody here knows: then the mesh's own configuration stands.
  const parsed = meshProxyConfig.safeParse(given);
  return parsed.success ? parsed.data : fallback;
}

/** What a proxy says itself of `proxyHeaders`, as JSON; empty: nothing. What else its configuration holds makes no difference to whoever asks. */
const ownHeaders = fact('proxy headers', ({ metadata }: Pick<MeshProxy, 'metadata'>): string | undefined => {
  const given = metadata['PROXY_CONFIG'];
  if (typeof given !== 'object' || given === null) return undefined;
  const parsed = meshProxyConfig.safeParse(given);
  return parsed.success ? JSON.stringify(parsed.data.proxyHeaders ?? {}) : undefined;
});

/** `proxyHeaders` of the ProxyConfig that a proxy runs with. */
export function proxyHeadersConfig(
  snapshot: Pick<MeshSnapshot, 'mesh'>,
  proxy: Pick<MeshProxy, 'metadata'>,
): ProxyHeadersConfig | undefined {
  const own = ownHeaders(proxy);
  // The text was made above of what the schema had let through.
  return own === undefined ? snapshot.mesh.defaultConfig?.proxyHeaders : (JSON.parse(own) as ProxyHeadersConfig);
}
