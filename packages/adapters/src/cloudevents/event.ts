import type { Random } from '@xebec/core';
import type { InstanceValue } from '@xebec/policy';
import {
  bigintField,
  logFields,
  logValue,
  mapField,
  microsecondTime,
  scalarFields,
  textField,
  valueField,
  wireName,
} from '../delivery/instance-fields.ts';

/** A CloudEvent (1.0) with JSON data. */
export interface CloudEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** The instance. */
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventOrigin {
  readonly source: string;
  /** Comes before the template's name. */
  readonly typePrefix: string;
  readonly nowMs: number;
  readonly random: Random;
}

/** An instance as an event: its time is the entry's own, or a span's end. */
export function toEvent(instance: InstanceValue, { source, typePrefix, nowMs, random }: EventOrigin): CloudEvent {
  const { fields, template } = instance;
  const ns = bigintField(fields, 'timestamp') ?? bigintField(fields, 'endTime') ?? BigInt(Math.floor(nowMs)) * 1_000_000n;
  return {
    specversion: '1.0',
    id: randomId(random),
    source,
    type: `${typePrefix}${template}`,
    subject: wireName(instance),
    time: microsecondTime(ns),
    datacontenttype: 'application/json',
    data: dataOf(instance),
  };
}

const NO_FIELDS: ReadonlySet<string> = new Set();

function dataOf({ template, fields }: InstanceValue): Record<string, unknown> {
  const resource = {
    type: textField(fields, 'monitoredResourceType') ?? textField(fields, 'monitored_resource_type') ?? '',
    dimensions: logFields(
      new Map([...mapField(fields, 'monitoredResourceDimensions'), ...mapField(fields, 'monitored_resource_dimensions')]),
    ),
  };
  const monitored = resource.type === '' && Object.keys(resource.dimensions).length === 0 ? {} : { monitoredResource: resource };
  if (template === 'logentry') {
    return { severity: textField(fields, 'severity') ?? '', variables: logFields(mapField(fields, 'variables')), ...monitored };
  }
  if (template === 'metric') {
    const value = valueField(fields);
    return { value: value === undefined ? null : logValue(value), dimensions: logFields(mapField(fields, 'dimensions')), ...monitored };
  }
  const tags = fields['spanTags'] === undefined ? {} : { spanTags: logFields(mapField(fields, 'spanTags')) };
  return { ...scalarFields(fields, NO_FIELDS), ...tags };
}

/** 128 random bits: source and id together name an event, and tell a repeated one. */
function randomId(random: Random): string {
  return Array.from({ length: 4 }, () =>
    Math.floor(random.next() * 2 ** 32)
      .toString(16)
      .padStart(8, '0'),
  ).join('');
}
