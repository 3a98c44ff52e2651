import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkScope } from '../policy-scope.ts';
import { celExpression } from '../values/cel-syntax.ts';
import { checkOneOf } from '../values/one-of.ts';
import type { TelemetryMetrics, TelemetrySpec, TelemetryTracing } from './spec.ts';

type Path = readonly PropertyKey[];

export function checkTelemetry({ spec }: ConfigObject<TelemetrySpec>): Findings {
  const findings = new FindingList();
  checkScope(spec, findings);
  const { accessLogging = [], metrics = [], tracing = [] } = spec;
  for (const [index, entry] of metrics.entries()) checkMetrics(entry, ['spec', 'metrics', index], findings);
  if (tracing.length > 1) findings.warning(['spec', 'tracing'], 'only one entry is supported');
  for (const [index, entry] of tracing.entries()) checkTracing(entry, ['spec', 'tracing', index], findings);
  for (const [index, { filter, providers }] of accessLogging.entries()) {
    const path = ['spec', 'accessLogging', index];
    checkProviders(providers, [...path, 'providers'], findings);
    if (filter !== undefined) findings.refuse([...path, 'filter', 'expression'], celExpression(filter.expression ?? ''));
  }
  return findings;
}

function checkProviders(providers: TelemetryTracing['providers'], path: Path, findings: FindingList): void {
  for (const [index, { name }] of (providers ?? []).entries())
    if (name === '') findings.error([...path, index, 'name'], 'must not be empty');
}

function checkTracing(tracing: TelemetryTracing, path: Path, findings: FindingList): void {
  if ((tracing.providers ?? []).length > 1) findings.warning([...path, 'providers'], 'only one provider is supported');
  checkProviders(tracing.providers, [...path, 'providers'], findings);
  for (const [name, tag] of Object.entries(tracing.customTags ?? {})) {
    const at = [...path, 'customTags', name];
    if (name === '') findings.error([...path, 'customTags'], 'the name of a tag is empty');
    checkOneOf(tag, ['literal', 'environment', 'header', 'formatter'], at, findings);
    if (tag.literal?.value === '') findings.error([...at, 'literal', 'value'], 'must not be empty');
    if (tag.header?.name === '') findings.error([...at, 'header', 'name'], 'must not be empty');
    if (tag.environment?.name === '') findings.error([...at, 'environment', 'name'], 'must not be empty');
  }
}

function checkMetrics(metrics: TelemetryMetrics, path: Path, findings: FindingList): void {
  checkProviders(metrics.providers, [...path, 'providers'], findings);
  for (const [index, { match, tagOverrides }] of (metrics.overrides ?? []).entries()) {
    const at = [...path, 'overrides', index];
    checkOneOf(match, ['metric', 'customMetric'], [...at, 'match'], findings);
    if (match?.customMetric === '') findings.error([...at, 'match', 'customMetric'], 'must not be empty');
    for (const [name, { operation = 'UPSERT', value = '' }] of Object.entries(tagOverrides ?? {})) {
      const tag = [...at, 'tagOverrides', name, 'value'];
      if (name === '') findings.warning([...at, 'tagOverrides'], 'the name of a tag is empty');
      if (operation === 'UPSERT' && value === '') findings.error(tag, 'must be set with operation UPSERT');
      if (operation === 'REMOVE' && value !== '') findings.error(tag, 'cannot be set with operation REMOVE');
    }
  }
}
