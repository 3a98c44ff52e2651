/** Filters that are Istio's or ours and that a stock Envoy lacks: sent only to proxies that list them. */
export const METADATA_EXCHANGE = 'istio.metadata_exchange';
export const ALPN = 'istio.alpn';
export const STATS = 'istio.stats';
export const MIXER = 'xebec.filters.http.mixer';
