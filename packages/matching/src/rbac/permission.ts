import { fromBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import type { Permission } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { UriTemplateMatchConfigSchema } from '@xebec/protos/envoy/extensions/path/match/uri_template/v3/uri_template_match';
import { compileCidr } from '../cidr.ts';
import { compileHeaderLookup } from '../header-matcher.ts';
import { compilePathTemplate } from '../path-template.ts';
import { pathOnly } from '../request-header.ts';
import { compileStringMatcher } from '../string-matcher.ts';
import { allOf, always, anyOf, never, not, type Rule, ruleHeader } from './rule-context.ts';
import { metadataRule, pathRule, sourcedMetadataRule } from './shared-rules.ts';

/** Compiles `envoy.config.rbac.v3.Permission`: what is done, and where. */
export function compilePermission(permission: Permission): Rule {
  const { rule } = permission;
  switch (rule.case) {
    case 'any':
      return rule.value ? always : never;
    case 'andRules':
      return allOf(rule.value.rules.map(compilePermission));
    case 'orRules':
      return anyOf(rule.value.rules.map(compilePermission));
    case 'notRule':
      return not(compilePermission(rule.value));
    case 'header': {
      const matches = compileHeaderLookup(rule.value);
      return (context) => matches(ruleHeader(context));
    }
    case 'urlPath':
      return pathRule(rule.value);
    case 'destinationIp': {
      const contains = compileCidr(rule.value);
      return ({ info }) => contains(info.connection.localAddress);
    }
    case 'destinationPort':
      return ({ info }) => info.connection.localPort === rule.value;
    case 'destinationPortRange':
      if (rule.value.start >= rule.value.end)
        throw new XebecError('E_RBAC', `range start ${rule.value.start} cannot be greater or equal than range end ${rule.value.end}`);
      return ({ info }) => info.connection.localPort >= rule.value.start && info.connection.localPort < rule.value.end;
    case 'metadata':
      return metadataRule(rule.value);
    case 'sourcedMetadata':
      return sourcedMetadataRule(rule.value);
    case 'requestedServerName': {
      const matches = compileStringMatcher(rule.value);
      return ({ info }) => matches(info.connection.requestedServerName);
    }
    case 'uriTemplate': {
      const any = rule.value.typedConfig;
      if (any === undefined || !any.typeUrl.endsWith('.UriTemplateMatchConfig')) {
        throw new XebecError('E_RBAC', `uri_template extension "${rule.value.name}" is not supported`);
      }
      const template = compilePathTemplate(fromBinary(UriTemplateMatchConfigSchema, any.value).pathTemplate);
      return ({ request }) => request !== undefined && template.match(pathOnly(request.path)) !== undefined;
    }
    case 'matcher':
      throw new XebecError('E_RBAC', `permission matcher extension "${rule.value.name}" is not supported`);
    default:
      throw new XebecError('E_RBAC', 'permission has no rule; use any: true to permit everything');
  }
}
