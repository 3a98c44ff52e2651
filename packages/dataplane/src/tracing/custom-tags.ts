import { XebecError } from '@xebec/core';
import type { CustomTag, CustomTag_Metadata } from '@xebec/protos/envoy/type/tracing/v3/custom_tag';
import { compileFormat, type FormatContext, type FormatEnvironment } from '@xebec/telemetry';
import { header } from '@xebec/wire';

/** The value of one tag when a span ends; undefined leaves the tag out. */
export type TagValue = (context: FormatContext) => string | undefined;

/** Compiles `custom_tags` (envoy.type.tracing.v3.CustomTag). Throws XebecError `E_CONFIG` naming the tag that says nothing. */
export function compileCustomTags(
  tags: readonly CustomTag[],
  environment: FormatEnvironment,
  where: string,
): ReadonlyMap<string, TagValue> {
  return new Map(tags.map((tag) => [tag.tag, tagValue(tag, environment, `${where}: custom_tags "${tag.tag}"`)]));
}

function tagValue({ type }: CustomTag, environment: FormatEnvironment, where: string): TagValue {
  switch (type.case) {
    case 'literal': {
      const { value } = type.value;
      return () => value;
    }
    case 'environment': {
      const value = orAbsent(environment.env[type.value.name] ?? type.value.defaultValue);
      return () => value;
    }
    case 'requestHeader': {
      const name = type.value.name.toLowerCase();
      const fallback = orAbsent(type.value.defaultValue);
      return ({ request }) => (request === undefined ? undefined : header(request.headers, name)) ?? fallback;
    }
    case 'metadata':
      return metadataValue(type.value);
    case 'value': {
      const { format } = compileFormat(type.value, { environment, omitEmpty: true });
      return format;
    }
    default:
      throw new XebecError('E_CONFIG', `${where}: set literal, environment, request_header, metadata or value`);
  }
}

function metadataValue({ kind, metadataKey, defaultValue }: CustomTag_Metadata): TagValue {
  const where = kind?.kind.case ?? 'request';
  const filter = metadataKey?.key ?? '';
  const path = (metadataKey?.path ?? []).map(({ segment }) => segment.value ?? '');
  const fallback = orAbsent(defaultValue);
  return ({ info }) => {
    let value: unknown =
      where === 'request'
        ? info.dynamicMetadata.get(filter)
        : { route: info.routeMetadata, cluster: info.clusterMetadata, host: info.upstreamHostMetadata }[where]?.[filter];
    for (const key of path) value = isRecord(value) ? value[key] : undefined;
    if (value === undefined || value === null) return fallback;
    return typeof value === 'string' ? value : JSON.stringify(value);
  };
}

function orAbsent(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
