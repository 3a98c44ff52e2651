import type { MeshProxy } from '@xebec/model';

/** Filters that are Istio's or ours and that a stock Envoy lacks: sent only to proxies that list them. */
export const METADATA_EXCHANGE = 'istio.metadata_exchange';
export const ALPN = 'istio.alpn';
export const STATS = 'istio.stats';
export const MIXER = 'xebec.filters.http.mixer';
export const MIXER_TCP = 'xebec.filters.network.mixer';

/**
 * Whether what a node lists is everything the proxy has, so that what is missing must not be sent. Envoys and ours list all they were
 * built with; nodes that others write by hand name nothing, or only what they add.
 */
export function listsEverything({ flavour, extensions }: MeshProxy): boolean {
  return flavour === 'xebec' || extensions.has('envoy.filters.http.router');
}

/** Whether a filter or logger of Envoy's may be sent: what a proxy lacks it would refuse the whole listener for. */
export function runs(proxy: MeshProxy, name: string): boolean {
  return !listsEverything(proxy) || proxy.extensions.has(name);
}
