import { fromBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import type { TypedExtensionConfig } from '@xebec/protos/envoy/config/core/v3/extension';
import { UriTemplateRewriteConfigSchema } from '@xebec/protos/envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite';
import type { RegexMatchAndSubstitute } from '@xebec/protos/envoy/type/matcher/v3/regex';
import { compilePathTemplateRewrite } from './path-template.ts';
import { compileRegex } from './regex.ts';
import { pathOnly } from './request-header.ts';
import type { CompiledMatch } from './route-match.ts';

/** The new path with the query kept. */
export type PathRewrite = (path: string) => string;

export interface PathRewriteSource {
  readonly prefixRewrite: string;
  readonly regexRewrite?: RegexMatchAndSubstitute | undefined;
  readonly pathRewritePolicy?: TypedExtensionConfig | undefined;
}

/** Compiles the path rewrite of a route or redirect; undefined when there is none. */
export function compilePathRewrite(source: PathRewriteSource, match: CompiledMatch): PathRewrite | undefined {
  if (source.prefixRewrite !== '') {
    const replacement = source.prefixRewrite;
    return withQuery((path) => replacement + path.slice(match.matchedLength(path)));
  }
  if (source.regexRewrite !== undefined) {
    const regex = compileRegex(source.regexRewrite.pattern?.regex ?? '');
    const { substitution } = source.regexRewrite;
    return withQuery((path) => regex.replace(path, substitution));
  }
  const policy = source.pathRewritePolicy;
  if (policy === undefined) return undefined;
  const any = policy.typedConfig;
  if (any === undefined || !any.typeUrl.endsWith('/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig')) {
    throw new XebecError('E_ROUTE', `path rewrite policy "${policy.name}" is not supported; use uri_template`);
  }
  if (match.template === undefined) throw new XebecError('E_ROUTE', 'path rewrite by uri_template needs a uri_template path match');
  const rewrite = compilePathTemplateRewrite(fromBinary(UriTemplateRewriteConfigSchema, any.value).pathTemplateRewrite, match.template);
  return withQuery((path) => rewrite(path) ?? path);
}

function withQuery(rewrite: (path: string) => string): PathRewrite {
  return (whole) => {
    const path = pathOnly(whole);
    return rewrite(path) + whole.slice(path.length);
  };
}
