import { type ExpositionOptions, formatPrometheus, formatStatsJson, formatStatsText, type StatSample } from '@xebec/telemetry';
import type { DataplaneState } from '../dataplane.ts';
import { refreshServerStats } from '../runtime/server-stats.ts';
import type { AdminReply } from './handlers.ts';
import { withZeros } from './zero-stats.ts';

const types: Readonly<Record<string, (sample: StatSample) => boolean>> = {
  All: () => true,
  Counters: ({ kind }) => kind === 'counter',
  Gauges: ({ kind }) => kind === 'gauge',
  Histograms: ({ kind }) => kind === 'histogram',
  TextReadouts: () => false,
};

const bad = (body: string): AdminReply => ({ status: 400, body });

/** `/stats` and `/stats/prometheus` with Envoy's parameters and its words for wrong ones. */
export function statsPage(query: URLSearchParams, state: DataplaneState, fixedFormat?: 'prometheus'): AdminReply {
  const format = fixedFormat ?? query.get('format') ?? 'text';
  if (!['text', 'json', 'prometheus', 'html', 'active-html'].includes(format))
    return bad('usage: /stats?format=(html|active-html|json|prometheus|text)\n\n');
  const ofType = types[query.get('type') ?? 'All'];
  if (ofType === undefined) return bad('invalid &type= param');
  const buckets = query.get('histogram_buckets');
  if (buckets !== null && !['', 'cumulative', 'disjoint', 'detailed', 'summary', 'prometheusnative'].includes(buckets))
    return bad('usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n');
  const filter = query.get('filter');
  let pattern: RegExp | undefined;
  try {
    pattern = filter === null ? undefined : new RegExp(filter);
  } catch {
    return bad(`Invalid re2 regex: ${filter}\n`);
  }
  refreshServerStats(state);
  const invert = query.has('invert_filter');
  const samples = withZeros(state.stats.collect(), state).filter(
    (sample) => ofType(sample) && (!invert || pattern?.test(sample.name) !== true),
  );
  const options: ExpositionOptions = {
    usedOnly: query.has('usedonly'),
    ...(pattern === undefined || invert ? {} : { filter: pattern }),
  };
  switch (format) {
    case 'json':
      return { type: 'application/json', body: formatStatsJson(samples, options) };
    case 'prometheus':
      return { body: formatPrometheus(samples, { ...options, tagPrefix: tagPrefix(state) }) };
    case 'html':
    case 'active-html': {
      const text = formatStatsText(samples, options).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
      return {
        type: 'text/html; charset=UTF-8',
        body: `<!doctype html><html lang="en"><meta charset="utf-8"><title>stats</title><style>:root{color-scheme:light dark}</style><pre>${text}</pre></html>`,
      };
    }
    default:
      return { body: formatStatsText(samples, options) };
  }
}

/** Envoy's own tags start with `envoy.`; Istio's bootstrap defines the same ones without. */
function tagPrefix(state: DataplaneState): string {
  const own = state.bootstrap.statsConfig?.statsTags.some(({ tagName }) => tagName === 'cluster_name') ?? false;
  return own ? '' : 'envoy_';
}
