import type { ValueCheck } from './value-check.ts';

const LABEL = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/;
const WILDCARD_LABEL = /^(?:\*|(?:\*|\*-)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)$/;
const MAX_LABEL = 63;
const MAX_NAME = 255;
const RULES = 'letters, digits and "-", at most 63 characters';

/** A label of DNS as RFC 1123 has it; capitals are let through, as Istio does. */
export function isDnsLabel(value: string): boolean {
  return value.length <= MAX_LABEL && LABEL.test(value);
}

/** The name of a port, subset, namespace or gateway. */
export const dnsLabel: ValueCheck = (value) => (isDnsLabel(value) ? undefined : `"${value}" is not a DNS label: ${RULES}`);

/** A fully qualified domain name; a dot at its end is allowed. */
export const domainName: ValueCheck = (value) => lengthOf(value) ?? labels(value, value);

/** A domain name whose first label may be `*` or begin with it. */
export const wildcardDomain: ValueCheck = (value) => {
  const length = lengthOf(value);
  if (length !== undefined) return length;
  const [first = '', ...rest] = value.split('.');
  if (first.length > MAX_LABEL || !WILDCARD_LABEL.test(first)) return `"${value}" is not a domain name: label "${first}" is invalid`;
  return rest.length === 0 ? undefined : labels(rest.join('.'), value);
};

/** A trust domain: labels of DNS, the last of which may be a number. */
export const trustDomainName: ValueCheck = (value) => {
  if (value === '') return 'must not be empty';
  const parts = value.split('.');
  const wrong = parts.find((label, index) => !(index === parts.length - 1 && label === '') && !isDnsLabel(label));
  return wrong === undefined ? undefined : `"${value}" is not a trust domain: label "${wrong}" is invalid`;
};

/** `*` stands alone or is a whole label. */
export const wholeWildcard: ValueCheck = (value) =>
  value.includes('*') && value.length > 1 && !value.startsWith('*.')
    ? `partial wildcard "${value}" is not allowed; write *.${value.replaceAll('*', '').replace(/^[.-]+/, '')}`
    : undefined;

function lengthOf(value: string): string | undefined {
  if (value === '') return 'must not be empty';
  return value.length > MAX_NAME ? `"${value.slice(0, 40)}…" is longer than ${MAX_NAME} characters` : undefined;
}

function labels(part: string, whole: string): string | undefined {
  const parts = part.split('.');
  const top = parts.at(-1) ?? '';
  if (/^[-+]?\d+$/.test(top)) return `"${whole}" is not a domain name: "${top}" at its end is a number`;
  const wrong = parts.find((label, index) => !(index === parts.length - 1 && label === '') && !isDnsLabel(label));
  return wrong === undefined ? undefined : `"${whole}" is not a domain name: label "${wrong}" is invalid`;
}
