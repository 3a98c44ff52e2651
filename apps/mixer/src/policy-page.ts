import type { CompiledRule } from '@xebec/policy';
import type { CompiledPolicy } from './policy-compiler.ts';

/** The policy in force as `/debug/configz` shows it: names, conditions, and who gets what; no params, which may hold secrets. */
export function describePolicy({ rules, handlers, instances }: CompiledPolicy) {
  return { rules: rules.map(describeRule), handlers, instances };
}

function describeRule({ name, match, actions, requestHeaders, responseHeaders, sampler }: CompiledRule) {
  return {
    name,
    ...(match === undefined ? {} : { match: match.text }),
    actions: actions.map((action) => ({
      ...(action.name === '' ? {} : { name: action.name }),
      handler: action.handler.name,
      adapter: action.handler.adapter,
      instances: action.instances.map((instance) => ({ name: instance.name, template: instance.template.name })),
    })),
    ...(requestHeaders.length === 0 ? {} : { requestHeaders: requestHeaders.map((operation) => operation.name) }),
    ...(responseHeaders.length === 0 ? {} : { responseHeaders: responseHeaders.map((operation) => operation.name) }),
    ...(sampler === undefined ? {} : { sampled: true }),
  };
}
