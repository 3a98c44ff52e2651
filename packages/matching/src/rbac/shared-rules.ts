import { XebecError } from '@xebec/core';
import { MetadataSource, type SourcedMetadata } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import type { MetadataMatcher } from '@xebec/protos/envoy/type/matcher/v3/metadata';
import type { PathMatcher } from '@xebec/protos/envoy/type/matcher/v3/path';
import { compileMetadataMatcher } from '../metadata-matcher.ts';
import { pathOnly } from '../request-header.ts';
import { compileStringMatcher } from '../string-matcher.ts';
import { never, type Rule } from './rule-context.ts';

// Rules that permissions and principals have in common.

export function metadataRule(matcher: MetadataMatcher): Rule {
  const matches = compileMetadataMatcher(matcher);
  return ({ info }) => matches((filter) => info.dynamicMetadata.get(filter));
}

export function sourcedMetadataRule(rule: SourcedMetadata): Rule {
  if (rule.metadataMatcher === undefined) return never;
  if (rule.metadataSource === MetadataSource.DYNAMIC) return metadataRule(rule.metadataMatcher);
  const matches = compileMetadataMatcher(rule.metadataMatcher);
  // Where no route was found even an inverted matcher holds for nothing.
  return ({ info: { routeMetadata } }) =>
    routeMetadata !== undefined &&
    matches((filter) => {
      const value = routeMetadata[filter];
      return typeof value === 'object' && value !== null ? { ...value } : undefined;
    });
}

export function pathRule(matcher: PathMatcher): Rule {
  if (matcher.rule.case !== 'path') throw new XebecError('E_RBAC', 'url_path has no path matcher');
  const matches = compileStringMatcher(matcher.rule.value);
  return ({ request }) => request !== undefined && request.path !== '' && matches(pathOnly(request.path));
}
