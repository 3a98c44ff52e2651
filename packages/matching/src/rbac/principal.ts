import { XebecError } from '@xebec/core';
import type { Principal } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { compileCidr } from '../cidr.ts';
import { compileHeaderLookup } from '../header-matcher.ts';
import { matchesPrincipal } from '../san-matcher.ts';
import { compileStringMatcher } from '../string-matcher.ts';
import { allOf, always, anyOf, never, not, type Rule, ruleHeader } from './rule-context.ts';
import { metadataRule, pathRule, sourcedMetadataRule } from './shared-rules.ts';

/** Compiles `envoy.config.rbac.v3.Principal`: who does it, and from where. */
export function compilePrincipal(principal: Principal): Rule {
  const { identifier } = principal;
  switch (identifier.case) {
    case 'any':
      return identifier.value ? always : never;
    case 'andIds':
      return allOf(identifier.value.ids.map(compilePrincipal));
    case 'orIds':
      return anyOf(identifier.value.ids.map(compilePrincipal));
    case 'notId':
      return not(compilePrincipal(identifier.value));
    case 'authenticated': {
      const name = identifier.value.principalName;
      if (name === undefined) return ({ info }) => info.connection.tls !== undefined;
      const matches = compileStringMatcher(name);
      return ({ info }) => {
        const peer = info.connection.tls?.peer;
        return peer !== undefined && matchesPrincipal(peer, matches);
      };
    }
    case 'sourceIp':
    case 'directRemoteIp': {
      const contains = compileCidr(identifier.value);
      return ({ info }) => contains(info.connection.directRemoteAddress ?? info.connection.remoteAddress);
    }
    case 'remoteIp': {
      const contains = compileCidr(identifier.value);
      return ({ info }) => contains(info.connection.remoteAddress);
    }
    case 'header': {
      const matches = compileHeaderLookup(identifier.value);
      return (context) => matches(ruleHeader(context));
    }
    case 'urlPath':
      return pathRule(identifier.value);
    case 'metadata':
      return metadataRule(identifier.value);
    case 'sourcedMetadata':
      return sourcedMetadataRule(identifier.value);
    case 'filterState': {
      const { key, matcher } = identifier.value;
      if (matcher.case === 'stringMatch') {
        const matches = compileStringMatcher(matcher.value);
        return ({ info }) => {
          const value = info.filterState.get(key);
          return value !== undefined && matches(String(value));
        };
      }
      if (matcher.case !== 'addressMatch') throw new XebecError('E_RBAC', `filter_state principal "${key}" has no matcher`);
      const ranges = matcher.value.ranges.map(compileCidr);
      return ({ info }) => {
        const value = info.filterState.get(key);
        return typeof value === 'string' && ranges.some((contains) => contains(value));
      };
    }
    case 'custom':
      throw new XebecError('E_RBAC', `principal extension "${identifier.value.name}" is not supported`);
    default:
      throw new XebecError('E_RBAC', 'principal has no identifier; use any: true for everyone');
  }
}
