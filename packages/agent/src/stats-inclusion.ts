import type { StatsInclusion } from '@xebec/injection';
import { parseJsonObject } from './node-metadata.ts';

type Values = Readonly<Record<string, unknown>>;

/** Matchers of one kind; more would cost each scrape. */
const MAX_PATTERNS = 200;

/**
 * Which metrics the proxy shows beside the usual ones: the pod's annotations `sidecar.istio.io/statsInclusion{Prefixes,Suffixes,Regexps}`
 * (separated by commas), each kind for itself, or else `proxyStatsMatcher` of its ProxyConfig. `{pod_ip}` stands for each of the pod's
 * addresses. `sidecar.istio.io/statsHistogramBuckets` is a JSON object of bounds by the start of a histogram's name.
 */
export function statsInclusion(annotations: Values, proxyConfig: Values, podAddresses: readonly string[]): StatsInclusion {
  const matcher = proxyConfig['proxyStatsMatcher'];
  const configured: Values = typeof matcher === 'object' && matcher !== null ? { ...matcher } : {};
  const patterns = (kind: 'Prefixes' | 'Suffixes' | 'Regexps'): string[] => {
    const own = annotations[`sidecar.istio.io/statsInclusion${kind}`];
    const list = typeof own === 'string' && own !== '' ? own.split(',') : textsOf(configured[`inclusion${kind}`]);
    return list
      .filter((pattern) => pattern !== '')
      .flatMap((pattern) =>
        pattern.includes('{pod_ip}') ? podAddresses.map((address) => pattern.replaceAll('{pod_ip}', () => address)) : [pattern],
      )
      .slice(0, MAX_PATTERNS);
  };
  return {
    prefixes: patterns('Prefixes'),
    suffixes: patterns('Suffixes'),
    regexps: patterns('Regexps'),
    histogramBuckets: bucketsOf(annotations['sidecar.istio.io/statsHistogramBuckets']),
  };
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** A name with a list that has no rising bounds keeps Envoy's. */
function bucketsOf(text: unknown): Record<string, readonly number[]> {
  const buckets: Record<string, readonly number[]> = {};
  for (const [prefix, bounds] of Object.entries(parseJsonObject(typeof text === 'string' ? text : undefined))) {
    if (!Array.isArray(bounds) || bounds.length === 0 || bounds.length > MAX_PATTERNS) continue;
    const numbers = bounds.filter((bound) => typeof bound === 'number' && bound > 0);
    if (numbers.length !== bounds.length || numbers.some((bound, i) => i > 0 && bound <= (numbers[i - 1] ?? 0))) continue;
    buckets[prefix] = numbers;
    // Envoy knows Istio's metrics by this prefix, which ours do not have.
    if (prefix.startsWith('istiocustom')) buckets[prefix.replace(/^istiocustom\.?/, '') || 'istio_'] = numbers;
  }
  return buckets;
}
