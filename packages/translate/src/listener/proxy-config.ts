import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { type MeshProxyConfig, meshProxyConfig } from '@xebec/schemas';

/** The ProxyConfig a proxy runs with: what it says it started with (metadata `PROXY_CONFIG`), else the mesh's `defaultConfig`. */
export function proxyConfigOf(snapshot: MeshSnapshot, proxy: MeshProxy): MeshProxyConfig {
  const fallback = snapshot.mesh.defaultConfig ?? {};
  const given = proxy.metadata['PROXY_CONFIG'];
  if (typeof given !== 'object' || given === null) return fallback;
  // A proxy of another version may send fields that nobody here knows: then the mesh's own configuration stands.
  const parsed = meshProxyConfig.safeParse(given);
  return parsed.success ? parsed.data : fallback;
}
