import type { X509Certificate } from 'node:crypto';
import { compileStringMatcher, type StringPredicate } from '@xebec/matching';
import {
  type CertificateValidationContext,
  SubjectAltNameMatcher_SanType as SanType,
  type SubjectAltNameMatcher,
} from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';

/** One subject alternative name, in the order of the certificate. */
export interface SubjectName {
  readonly kind: 'uri' | 'dns' | 'ip' | 'email' | 'other';
  readonly value: string;
}

/** Node writes `URI:spiffe://a, DNS:b, IP Address:1.2.3.4`; names with special characters stand in JSON quotes. */
export function subjectNames(text: string | undefined): SubjectName[] {
  const names: SubjectName[] = [];
  for (const match of (text ?? '').matchAll(/(?:^|, )(URI|DNS|IP Address|email|othername):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    const raw = match[2] ?? '';
    const value = raw.startsWith('"') ? String(JSON.parse(raw)) : raw;
    names.push({ kind: kinds[match[1] ?? ''] ?? 'other', value });
  }
  return names;
}

const kinds: Readonly<Record<string, SubjectName['kind']>> = { URI: 'uri', DNS: 'dns', 'IP Address': 'ip', email: 'email' };

export type NamePredicate = (name: SubjectName) => boolean;

/** Predicates of `match_typed_subject_alt_names` and the older list: one name that satisfies one of them is enough. */
export function compileNameMatchers(validation: CertificateValidationContext): NamePredicate[] {
  return [
    ...validation.matchTypedSubjectAltNames.flatMap((matcher) => typed(matcher) ?? []),
    ...validation.matchSubjectAltNames.map((matcher): NamePredicate => {
      const matches = compileStringMatcher(matcher);
      return ({ kind, value }) => kind !== 'other' && matches(value);
    }),
  ];
}

function typed({ sanType, matcher }: SubjectAltNameMatcher): NamePredicate | undefined {
  const wanted = sanKinds[sanType];
  if (matcher === undefined || wanted === undefined) return undefined;
  // An exact name is also met by a wildcard of the certificate.
  if (wanted === 'dns' && matcher.matchPattern.case === 'exact') {
    const name = matcher.matchPattern.value;
    return ({ kind, value }) => kind === 'dns' && matchesDnsName(name, value);
  }
  const matches: StringPredicate = compileStringMatcher(matcher);
  return ({ kind, value }) => kind === wanted && matches(value);
}

const sanKinds: Readonly<Record<SanType, SubjectName['kind'] | undefined>> = {
  [SanType.SAN_TYPE_UNSPECIFIED]: undefined,
  [SanType.EMAIL]: 'email',
  [SanType.DNS]: 'dns',
  [SanType.URI]: 'uri',
  [SanType.IP_ADDRESS]: 'ip',
  [SanType.OTHER_NAME]: 'other',
};

/** Whether a certificate's DNS name, which may be a wildcard for one label, is that of a server (RFC 6125 section 6.4). */
export function matchesDnsName(server: string, pattern: string): boolean {
  const name = server.toLowerCase();
  const wanted = pattern.toLowerCase();
  if (name === wanted) return true;
  if (!wanted.startsWith('*.')) return false;
  const dot = name.indexOf('.');
  return dot > 0 && name.slice(dot) === wanted.slice(1);
}

/** DNS names that a server certificate is for; its common name when it has none. */
export function serverNames(certificate: X509Certificate): string[] {
  const dns = subjectNames(certificate.subjectAltName).flatMap(({ kind, value }) => (kind === 'dns' ? [value] : []));
  if (dns.length > 0) return dns;
  const common = /^CN=(.*)$/m.exec(certificate.subject)?.[1];
  return common === undefined ? [] : [common];
}
