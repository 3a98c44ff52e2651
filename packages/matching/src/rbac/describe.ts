import { fromBinary } from '@bufbuild/protobuf';
import type { CidrRange } from '@xebec/protos/envoy/config/core/v3/address';
import type { Permission, Principal } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { UriTemplateMatchConfigSchema } from '@xebec/protos/envoy/extensions/path/match/uri_template/v3/uri_template_match';
import type { MetadataMatcher } from '@xebec/protos/envoy/type/matcher/v3/metadata';
import type { PathMatcher } from '@xebec/protos/envoy/type/matcher/v3/path';
import { describeHeaderMatcher } from '../header-matcher.ts';
import { describeStringMatcher } from '../string-matcher.ts';

/** More alternatives than this are counted instead of listed. */
const MOST_LISTED = 6;

/** What a permission demands, in words: `path prefix "/admin"`. */
export function describePermission({ rule }: Permission): string {
  switch (rule.case) {
    case 'any':
      return rule.value ? 'anything' : 'nothing';
    case 'andRules':
      return joined(rule.value.rules.map(describePermission), 'and');
    case 'orRules':
      return joined(rule.value.rules.map(describePermission), 'or');
    case 'notRule':
      return `not ${describePermission(rule.value)}`;
    case 'header':
      return describeHeaderMatcher(rule.value);
    case 'urlPath':
      return describePath(rule.value);
    case 'destinationIp':
      return `destination address in ${describeCidr(rule.value)}`;
    case 'destinationPort':
      return `destination port ${rule.value}`;
    case 'destinationPortRange':
      return `destination port in [${rule.value.start}, ${rule.value.end})`;
    case 'metadata':
      return describeMetadata(rule.value);
    case 'sourcedMetadata':
      return rule.value.metadataMatcher === undefined ? 'metadata' : describeMetadata(rule.value.metadataMatcher);
    case 'requestedServerName':
      return `server name ${describeStringMatcher(rule.value)}`;
    case 'uriTemplate': {
      const any = rule.value.typedConfig;
      return any === undefined ? 'path template' : `path template "${fromBinary(UriTemplateMatchConfigSchema, any.value).pathTemplate}"`;
    }
    default:
      return rule.case ?? 'nothing';
  }
}

/** What a principal demands, in words: `caller exact "spiffe://…"`. */
export function describePrincipal({ identifier }: Principal): string {
  switch (identifier.case) {
    case 'any':
      return identifier.value ? 'anybody' : 'nobody';
    case 'andIds':
      return joined(identifier.value.ids.map(describePrincipal), 'and');
    case 'orIds':
      return joined(identifier.value.ids.map(describePrincipal), 'or');
    case 'notId':
      return `not ${describePrincipal(identifier.value)}`;
    case 'authenticated': {
      const name = identifier.value.principalName;
      return name === undefined ? 'a caller with TLS' : `caller ${describeStringMatcher(name)}`;
    }
    case 'sourceIp':
    case 'directRemoteIp':
      return `source address in ${describeCidr(identifier.value)}`;
    case 'remoteIp':
      return `client address in ${describeCidr(identifier.value)}`;
    case 'header':
      return describeHeaderMatcher(identifier.value);
    case 'urlPath':
      return describePath(identifier.value);
    case 'metadata':
      return describeMetadata(identifier.value);
    case 'sourcedMetadata':
      return identifier.value.metadataMatcher === undefined ? 'metadata' : describeMetadata(identifier.value.metadataMatcher);
    case 'filterState': {
      const { key, matcher } = identifier.value;
      return `${key} ${matcher.case === 'stringMatch' ? describeStringMatcher(matcher.value) : 'in a range of addresses'}`;
    }
    default:
      return identifier.case ?? 'nobody';
  }
}

function joined(parts: readonly string[], word: 'and' | 'or'): string {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const listed = parts.length > MOST_LISTED ? [...parts.slice(0, MOST_LISTED), `${parts.length - MOST_LISTED} more`] : parts;
  return `(${listed.join(` ${word} `)})`;
}

function describePath(matcher: PathMatcher): string {
  return matcher.rule.case === 'path' ? `path ${describeStringMatcher(matcher.rule.value)}` : 'path';
}

function describeCidr({ addressPrefix, prefixLen }: CidrRange): string {
  return `${addressPrefix}/${prefixLen ?? 0}`;
}

/** `request.auth.claims[iss] exact "x"` for tokens, else the filter and its keys. */
function describeMetadata({ filter, path, value }: MetadataMatcher): string {
  const keys = path.map(({ segment }) => (segment.case === 'key' ? segment.value : '?'));
  const wanted = value === undefined ? '' : ` ${describeValue(value)}`;
  return `${filter}[${keys.join('.')}]${wanted}`;
}

type Value = NonNullable<MetadataMatcher['value']>;

function describeValue({ matchPattern }: Value): string {
  switch (matchPattern.case) {
    case 'stringMatch':
      return describeStringMatcher(matchPattern.value);
    case 'listMatch': {
      const { matchPattern: one } = matchPattern.value;
      return one.case === 'oneOf' ? `with one ${describeValue(one.value)}` : 'a list';
    }
    case 'orMatch':
      return joined(matchPattern.value.valueMatchers.map(describeValue), 'or');
    case 'boolMatch':
      return String(matchPattern.value);
    default:
      return matchPattern.case ?? '';
  }
}
