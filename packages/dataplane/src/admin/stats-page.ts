import {
  type ExpositionOptions,
  formatPrometheus,
  formatStatsJson,
  formatStatsText,
  type HistogramView,
  type StatSample,
} from '@xebec/telemetry';
import type { DataplaneState } from '../dataplane-state.ts';
import { refreshServerStats } from '../runtime/server-stats.ts';
import type { AdminReply } from './handlers.ts';
import { compileStatsView, type StatsView } from './stats-config.ts';
import { withZeros } from './zero-stats.ts';

const types: Readonly<Record<string, (sample: StatSample) => boolean>> = {
  All: () => true,
  Counters: ({ kind }) => kind === 'counter',
  Gauges: ({ kind }) => kind === 'gauge',
  Histograms: ({ kind }) => kind === 'histogram',
  TextReadouts: ({ kind }) => kind === 'text',
};

const bad = (body: string): AdminReply => ({ status: 400, body });

/** `/stats` and `/stats/prometheus` with Envoy's parameters and its words for wrong ones. */
export function statsPage(query: URLSearchParams, state: DataplaneState, fixedFormat?: 'prometheus'): AdminReply {
  const format = fixedFormat ?? query.get('format') ?? 'text';
  if (!['text', 'json', 'prometheus', 'html', 'active-html'].includes(format))
    return bad('usage: /stats?format=(html|active-html|json|prometheus|text)\n\n');
  const ofType = types[query.get('type') ?? 'All'];
  if (ofType === undefined) return bad('invalid &type= param');
  const hidden = query.get('hidden');
  if (hidden !== null && !['include', 'only', 'exclude'].includes(hidden)) return bad('usage: /stats?hidden=(include|only|exclude)\n\n');
  const filter = query.get('filter');
  let pattern: RegExp | undefined;
  try {
    pattern = filter === null ? undefined : new RegExp(filter);
  } catch {
    return bad(`Invalid re2 regex: ${whyNot(filter ?? '')}`);
  }
  const histograms = viewOf(query.get('histogram_buckets'), format);
  if (typeof histograms !== 'string') return histograms;
  // Nothing is hidden here.
  if (hidden === 'only') return format === 'json' ? { type: 'application/json', body: '{"stats":[]}' } : { body: '' };
  refreshServerStats(state);
  const invert = query.has('invert_filter');
  const view = viewOfStats(state);
  const samples = withZeros(state.stats.collect(), state).filter(
    (sample) => view.shown(sample.name) && ofType(sample) && (!invert || pattern?.test(sample.name) !== true),
  );
  const options: ExpositionOptions = {
    usedOnly: query.has('usedonly'),
    histograms,
    bounds: view.bounds,
    ...(pattern === undefined || invert ? {} : { filter: pattern }),
  };
  switch (format) {
    case 'json':
      return { type: 'application/json', body: formatStatsJson(samples, options) };
    case 'prometheus':
      return { body: formatPrometheus(samples.map(view.tagged), { ...options, textReadouts: query.has('text_readouts') }) };
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

/** How histograms are shown; Envoy's words where the format cannot show them so. */
function viewOf(wanted: string | null, format: string): HistogramView | AdminReply {
  const value = wanted === null || wanted === '' || wanted === 'none' ? undefined : wanted;
  switch (value) {
    case undefined:
      return format === 'prometheus' ? 'cumulative' : 'summary';
    case 'cumulative':
    case 'summary':
      return value;
    case 'disjoint':
    case 'detailed':
      return format === 'prometheus' ? bad('unsupported prometheus histogram bucket mode') : value;
    case 'prometheusnative':
      return bad(
        format === 'prometheus'
          ? 'unsupported prometheusnative histogram type when not using protobuf exposition format'
          : 'Invalid histogram_buckets type for non prometheus stats type',
      );
    default:
      return bad('usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n');
  }
}

/** What is wrong with an expression, as RE2 says it where that is easily known. */
export function whyNot(expression: string): string {
  if (/\[[^\]]*$/.test(expression)) return `missing ]: ${expression.slice(expression.lastIndexOf('['))}`;
  if (/^[*+?]/.test(expression)) return `no argument for repetition operator: ${expression.charAt(0)}`;
  if (/\\$/.test(expression)) return 'trailing \\ at end of expression: ';
  return `missing ): ${expression}`;
}

const views = new WeakMap<DataplaneState['bootstrap'], StatsView>();

function viewOfStats({ bootstrap }: DataplaneState): StatsView {
  const known = views.get(bootstrap);
  if (known !== undefined) return known;
  const view = compileStatsView(bootstrap.statsConfig);
  views.set(bootstrap, view);
  return view;
}
