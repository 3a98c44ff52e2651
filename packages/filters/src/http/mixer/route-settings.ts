import type { Attributes } from '@xebec/protos/istio/mixer/v1/attributes';
import { type MixerClientPerRoute, MixerClientPerRouteSchema } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import type { RequestHead } from '@xebec/wire';
import { decodeConfig } from '../../decode.ts';
import { type ApiSpecs, compileApiSpecs } from './api-specs.ts';
import { type Attribute, type AttributeContent, type AttributeKind, AttributeSet, type FixedAttribute } from './attribute.ts';
import type { ApiKeyPlace, HttpCall } from './call.ts';
import { type CompiledQuotaRule, compileQuotaRule } from './quota-rules.ts';

/** What a route's configuration says, before it is known which filter it is for. */
export interface MixerPerRoute {
  readonly disableCheck: boolean;
  readonly disableReport: boolean;
  readonly attributes: ReadonlyMap<string, FixedAttribute>;
  readonly quotaRules: readonly CompiledQuotaRule[];
  readonly apis: ApiSpecs;
}

/** The same with the attributes of the filter. */
export interface RouteSettings {
  readonly disableCheck: boolean;
  readonly disableReport: boolean;
  /** What checks are about. */
  readonly checked: AttributeSet<HttpCall>;
  /** What reports tell: that, and how it went. */
  readonly reported: AttributeSet<HttpCall>;
  readonly quotaRules: readonly CompiledQuotaRule[];
  readonly apiKeys: readonly ApiKeyPlace[];
  apiOf(request: RequestHead): ReadonlyMap<string, string> | undefined;
}

export function compilePerRoute(bytes: Uint8Array): MixerPerRoute {
  const config: MixerClientPerRoute = decodeConfig(MixerClientPerRouteSchema, bytes);
  return {
    disableCheck: config.disableCheck,
    disableReport: config.disableReport,
    attributes: fixedAttributes(config.mixerAttributes),
    quotaRules: config.quotaRules.map(compileQuotaRule),
    apis: compileApiSpecs(config.apiSpecs),
  };
}

const none: MixerPerRoute = {
  disableCheck: false,
  disableReport: false,
  attributes: new Map(),
  quotaRules: [],
  apis: compileApiSpecs([]),
};

/** Gives each route its settings, made once. `fixed`: what the filter's configuration says, the least specific first. */
export function routeSettings(
  request: readonly Attribute<HttpCall>[],
  response: readonly Attribute<HttpCall>[],
  fixed: readonly ReadonlyMap<string, FixedAttribute>[],
): (route: MixerPerRoute | undefined) => RouteSettings {
  const made = new WeakMap<MixerPerRoute, RouteSettings>();
  return (route = none) => {
    const known = made.get(route);
    if (known !== undefined) return known;
    const { apis, disableCheck, disableReport, quotaRules } = route;
    const settings = {
      disableCheck,
      disableReport,
      quotaRules,
      checked: new AttributeSet(request, ...fixed, route.attributes),
      reported: new AttributeSet([...request, ...response], ...fixed, route.attributes),
      apiKeys: apis.keys,
      apiOf: apis.attributesOf,
    };
    made.set(route, settings);
    return settings;
  };
}

/** Attributes as a configuration gives them. */
export function fixedAttributes(attributes: Attributes | undefined): ReadonlyMap<string, FixedAttribute> {
  const found = new Map<string, FixedAttribute>();
  for (const [name, { value }] of Object.entries(attributes?.attributes ?? {})) {
    const put = (kind: AttributeKind, content: AttributeContent) => found.set(name, { kind, value: content });
    const ms = (time: { readonly seconds: bigint; readonly nanos: number }) => Number(time.seconds) * 1000 + time.nanos / 1e6;
    switch (value.case) {
      case 'stringValue':
        // Mixer tells what is not there from what is empty; templates leave things empty.
        if (value.value !== '') put('string', value.value);
        break;
      case 'int64Value':
        put('int64', value.value);
        break;
      case 'doubleValue':
        put('double', value.value);
        break;
      case 'boolValue':
        put('bool', value.value);
        break;
      case 'bytesValue':
        put('bytes', value.value);
        break;
      case 'timestampValue':
        put('timestamp', ms(value.value));
        break;
      case 'durationValue':
        put('duration', ms(value.value));
        break;
      case 'stringMapValue':
        put('stringMap', Object.entries(value.value.entries).flat());
        break;
    }
  }
  return found;
}
