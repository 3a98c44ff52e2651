import { type Config, ConfigSchema } from '@xebec/protos/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';
import { compileRule, type Rule } from './rule.ts';

const name = 'envoy.filters.http.header_to_metadata';

interface Rules {
  readonly request: readonly Rule[];
  readonly response: readonly Rule[];
}

/** Copies headers and cookies into the stream's dynamic metadata. */
export const headerToMetadataDefinition: HttpFilterDefinition = {
  name,
  typeNames: [ConfigSchema.typeName],
  compile(bytes, _, context) {
    const own = compileRules(decodeConfig(ConfigSchema, bytes));
    return {
      create: (callbacks) => {
        const rules = (callbacks.perRouteConfig(context.filterName) as Rules | undefined) ?? own; // what compilePerRoute below returned
        return {
          onRequestHead(head) {
            for (const rule of rules.request) rule(head.headers, callbacks.info);
            return 'continue';
          },
          onResponseHead(head) {
            for (const rule of rules.response) rule(head.headers, callbacks.info);
            return 'continue';
          },
        };
      },
    };
  },
  compilePerRoute: (bytes) => compileRules(decodeConfig(ConfigSchema, bytes)),
};

function compileRules({ requestRules, responseRules }: Config): Rules {
  return {
    request: requestRules.map((rule, i) => compileRule(rule, `${name}: request_rules[${i}]`)),
    response: responseRules.map((rule, i) => compileRule(rule, `${name}: response_rules[${i}]`)),
  };
}
