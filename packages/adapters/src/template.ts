import type { ValueType } from '@xebec/expressions';
import type { Variety } from './adapter.ts';

/** What a template's field takes: one expression, or a map of them. `type` undefined: any. */
export interface TemplateField {
  readonly shape: 'value' | 'map';
  readonly type?: ValueType;
  readonly required?: boolean;
}

export interface TemplateDefinition {
  readonly name: string;
  readonly variety: Variety;
  readonly fields: Readonly<Record<string, TemplateField>>;
}

const one = (type?: ValueType): TemplateField => ({ shape: 'value', ...(type === undefined ? {} : { type }) });
const map: TemplateField = { shape: 'map' };
const required = (field: TemplateField): TemplateField => ({ ...field, required: true });
const monitoredResource = { monitoredResourceType: one('STRING'), monitoredResourceDimensions: map };
/** Release 1.4 accepted the snake-case names too, and its own samples use them. */
const monitoredResourceOld = { monitored_resource_type: one('STRING'), monitored_resource_dimensions: map };

/** Templates of release 1.4 that the adapters here use. */
export const templates: ReadonlyMap<string, TemplateDefinition> = new Map(
  (
    [
      { name: 'checknothing', variety: 'CHECK', fields: {} },
      { name: 'listentry', variety: 'CHECK', fields: { value: required(one()) } },
      { name: 'quota', variety: 'QUOTA', fields: { dimensions: map } },
      {
        name: 'metric',
        variety: 'REPORT',
        fields: { value: required(one()), dimensions: map, ...monitoredResource, ...monitoredResourceOld },
      },
      {
        name: 'logentry',
        variety: 'REPORT',
        fields: { variables: map, timestamp: one('TIMESTAMP'), severity: one('STRING'), ...monitoredResource, ...monitoredResourceOld },
      },
      { name: 'reportnothing', variety: 'REPORT', fields: {} },
    ] satisfies TemplateDefinition[]
  ).map((template) => [template.name, template]),
);
