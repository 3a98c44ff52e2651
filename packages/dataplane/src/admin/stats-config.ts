import { errorText, XebecError } from '@xebec/core';
import { compileStringMatcher } from '@xebec/matching';
import type { StatsConfig } from '@xebec/protos/envoy/config/metrics/v3/stats';
import type { BucketBounds, Label, StatSample } from '@xebec/telemetry';
import { defaultBuckets } from '@xebec/telemetry';

/** What `stats_config` of the bootstrap makes of the metrics that there are. */
export interface StatsView {
  /** Whether a metric of this dotted name is there at all. */
  shown(name: string): boolean;
  /** Upper bounds of histograms. */
  readonly bounds: BucketBounds;
  /** The sample with the name and labels that Prometheus shows. */
  tagged(sample: StatSample): StatSample;
}

/** Characters of a name that are taken out of it. */
type Range = readonly [start: number, end: number];

interface CustomTag {
  readonly name: string;
  readonly pattern: RegExp;
  /** Envoy tries those that begin with `^word.` after the others. */
  readonly anchored: boolean;
}

/** A tag that scopes know without an expression. */
const clusterTag = /^(?:envoy\.)?cluster_name$/;

/** Tags of the start of a name, which Envoy lists behind those of its end. */
const ofScopes = new Set(['cluster_name', 'http_conn_manager_prefix', 'listener_address', 'tcp_prefix', 'mongo_prefix', 'virtual_host']);

/** Compiles `stats_config` (envoy.config.metrics.v3.StatsConfig). Throws XebecError `E_BOOTSTRAP` for what is no expression. */
export function compileStatsView(config: StatsConfig | undefined): StatsView {
  const shown = compileShown(config);
  const bounds = compileBounds(config);
  const allDefaults = config?.useAllDefaultTags ?? true;
  const fixed: Label[] = [];
  const custom: CustomTag[] = [];
  /** Default tags by their name without `envoy.`, with the label that they have. */
  const defaults = new Map<string, string>();
  const replaced = new Set<string>();
  for (const { tagName, tagValue } of config?.statsTags ?? []) {
    const plain = tagName.replace(/^envoy\./, '');
    if (tagValue.case === 'fixedValue') fixed.push([tagName, tagValue.value]);
    // A cluster's name may have dots, so its scope knows better than an expression where it ends.
    else if (tagValue.case !== 'regex' || tagValue.value === '' || (clusterTag.test(tagName) && tagValue.value.startsWith('^cluster\\.')))
      defaults.set(plain, tagName);
    else {
      if (config?.allowDefaultTagOverrides === true && tagName.startsWith('envoy.')) replaced.add(plain);
      custom.push({ name: tagName, pattern: expression(tagName, tagValue.value), anchored: /^\^\w+\\\./.test(tagValue.value) });
    }
  }
  const plainView = allDefaults && fixed.length + custom.length + defaults.size === 0;
  const labelOf = (tag: string): string | undefined =>
    defaults.get(tag) ?? (allDefaults && !replaced.has(tag) ? `envoy.${tag}` : undefined);
  const tagged = (sample: StatSample): StatSample => {
    if (!sample.prometheusName.startsWith('envoy_')) return sample;
    const ends: Label[] = [];
    const own: Label[] = [];
    const scopes: Label[] = [];
    for (const [tag, value] of sample.labels) {
      const label = labelOf(tag);
      if (label !== undefined) (ofScopes.has(tag) ? scopes : ends).push([label, value]);
    }
    if (plainView) return { ...sample, labels: [...ends, ...scopes] };
    const ranges = defaultRanges(sample);
    if (ranges === undefined) return { ...sample, labels: [...ends, ...fixed, ...scopes] };
    const removed = ranges.filter((_, i) => labelOf(sample.labels[i]?.[0] ?? '') !== undefined);
    for (const { name, pattern, anchored } of custom) {
      const match = pattern.exec(sample.name);
      const first = match?.indices?.[1];
      if (match === null || first === undefined) continue;
      removed.push(first);
      // Where a default tag of that name has a value, that one is shown.
      if ([...ends, ...own, ...scopes].every(([label]) => label !== name))
        (anchored ? scopes : own).push([name, match[2] ?? match[1] ?? '']);
    }
    const prometheusName = `envoy_${without(sample.name, removed)
      .replaceAll(/^\.+|\.+$/g, '')
      .replaceAll(/[^a-zA-Z0-9_]/g, '_')}`;
    // Envoy counts these before it has read its configuration.
    const early = sample.name.startsWith('filesystem.');
    return { ...sample, prometheusName, labels: [...ends, ...(early ? [] : fixed), ...own, ...scopes] };
  };
  return { shown, bounds, tagged };
}

function compileShown(config: StatsConfig | undefined): (name: string) => boolean {
  const matcher = config?.statsMatcher?.statsMatcher;
  switch (matcher?.case) {
    case 'rejectAll': {
      const shown = !matcher.value;
      return () => shown;
    }
    case 'exclusionList':
    case 'inclusionList': {
      const patterns = matcher.value.patterns.map(compileStringMatcher);
      const listed = matcher.case === 'inclusionList';
      return (name) => patterns.some((matches) => matches(name)) === listed;
    }
    default:
      return () => true;
  }
}

function compileBounds(config: StatsConfig | undefined): BucketBounds {
  const settings = (config?.histogramBucketSettings ?? []).flatMap(({ match, buckets }) =>
    match === undefined || buckets.length === 0
      ? []
      : [{ matches: compileStringMatcher(match), buckets: [...buckets].sort((a, b) => a - b) }],
  );
  return (name) => settings.find(({ matches }) => matches(name))?.buckets ?? defaultBuckets;
}

/** An expression of the bootstrap: its author owns the process, so the engine of the runtime will do. */
function expression(tag: string, source: string): RegExp {
  try {
    return new RegExp(source.replaceAll('[:digit:]', '0-9').replaceAll('[:alpha:]', 'A-Za-z').replaceAll('[:alnum:]', 'A-Za-z0-9'), 'd');
  } catch (cause) {
    throw new XebecError('E_BOOTSTRAP', `stats_config.stats_tags: "${tag}" has a wrong expression: ${errorText(cause)}`, { cause });
  }
}

/** Where the values of a sample's labels lie in its dotted name, each with the separator that went with it. */
function defaultRanges({ name, prometheusName, labels }: StatSample): readonly Range[] | undefined {
  const wanted = prometheusName.slice('envoy_'.length);
  const search = (at: number, taken: readonly Range[]): readonly Range[] | undefined => {
    const label = labels[at];
    if (label === undefined) return without(name, taken).replaceAll(/[^a-zA-Z0-9_]/g, '_') === wanted ? taken : undefined;
    const [, value] = label;
    for (let i = value === '' ? -1 : name.indexOf(value); i !== -1; i = name.indexOf(value, i + 1)) {
      const end = i + value.length;
      for (const range of [
        [i, end + 1],
        [i - 1, end],
        [i, end],
      ] as const) {
        if (range[0] < 0 || range[1] > name.length) continue;
        const found = search(at + 1, [...taken, range]);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  return search(0, []);
}

function without(name: string, ranges: readonly Range[]): string {
  if (ranges.length === 0) return name;
  let text = '';
  let at = 0;
  for (const [start, end] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (start > at) text += name.slice(at, start);
    at = Math.max(at, end);
  }
  return text + name.slice(at);
}
