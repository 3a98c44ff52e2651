import { err, ok, type Result, type Violation } from '@xebec/core';
import { type DescriptorParams, type RateLimitUnit, UNIT_SECONDS } from './rate-limit-params.ts';

export interface DescriptorEntry {
  readonly key: string;
  readonly value: string;
}

export interface DescriptorLimit {
  readonly name: string;
  /** Undefined: unlimited. */
  readonly rate: { readonly requests: number; readonly unit: RateLimitUnit; readonly multiplier: number } | undefined;
  readonly shadow: boolean;
  /** Names of limits that do not count in a request for which this one does. */
  readonly replaces: readonly string[];
}

export interface MatchedLimit {
  readonly limit: DescriptorLimit;
  /** What is counted together: the entries, with the pattern instead of the value where values share a limit. */
  readonly counted: readonly DescriptorEntry[];
}

interface Node {
  readonly limit: DescriptorLimit | undefined;
  readonly pattern: string | undefined;
  readonly shared: boolean;
  readonly children: Children;
}

interface Children {
  readonly exact: ReadonlyMap<string, Node>;
  /** By key; the first pattern that fits. */
  readonly patterns: ReadonlyMap<string, readonly { readonly prefix: string; readonly node: Node }[]>;
  readonly any: ReadonlyMap<string, Node>;
}

/** Which limit a descriptor has: by key and value, then by key and a value that ends in `*`, then by key alone. */
export type DescriptorTree = (entries: readonly DescriptorEntry[]) => MatchedLimit | undefined;

export function compileDescriptorTree(descriptors: readonly DescriptorParams[], path: string): Result<DescriptorTree> {
  const violations: Violation[] = [];
  const root = compile(descriptors, path, violations);
  if (violations.length > 0) return err(violations);
  return ok((entries) => match(root, entries));
}

function match(root: Children, entries: readonly DescriptorEntry[]): MatchedLimit | undefined {
  let children: Children = root;
  let node: Node | undefined;
  const counted: DescriptorEntry[] = [];
  for (const { key, value } of entries) {
    node =
      children.exact.get(composite(key, value)) ??
      children.patterns.get(key)?.find(({ prefix }) => value.startsWith(prefix))?.node ??
      children.any.get(key);
    if (node === undefined) return undefined;
    counted.push({ key, value: node.shared && node.pattern !== undefined ? node.pattern : value });
    children = node.children;
  }
  // A limit is of descriptors that are exactly as long as its path.
  return node?.limit === undefined ? undefined : { limit: node.limit, counted };
}

function compile(descriptors: readonly DescriptorParams[], path: string, violations: Violation[]): Children {
  const exact = new Map<string, Node>();
  const patterns = new Map<string, { prefix: string; node: Node }[]>();
  const any = new Map<string, Node>();
  const seen = new Set<string>();
  for (const [i, descriptor] of descriptors.entries()) {
    const at = `${path}[${i}]`;
    const { key, value, shareThreshold } = descriptor;
    if (key === '') violations.push({ path: `${at}.key`, message: 'required field is missing' });
    const id = composite(key, value ?? '');
    if (seen.has(id)) violations.push({ path: at, message: `descriptor ${key}${value === undefined ? '' : `=${value}`} is defined twice` });
    seen.add(id);
    const pattern = value?.endsWith('*') === true ? value : undefined;
    if (shareThreshold && pattern === undefined)
      violations.push({
        path: `${at}.shareThreshold`,
        message: 'needs a value that ends in *: it makes all values that fit share one limit',
      });
    const node: Node = {
      limit: limitOf(descriptor, at, violations),
      pattern,
      shared: shareThreshold,
      children: compile(descriptor.descriptors, `${at}.descriptors`, violations),
    };
    if (pattern !== undefined) {
      const known = patterns.get(key) ?? [];
      known.push({ prefix: pattern.slice(0, -1), node });
      patterns.set(key, known);
    } else if (value === undefined || value === '') any.set(key, node);
    else exact.set(id, node);
  }
  return { exact, patterns, any };
}

function limitOf(descriptor: DescriptorParams, at: string, violations: Violation[]): DescriptorLimit | undefined {
  const { rateLimit, key, value, shadowMode } = descriptor;
  if (rateLimit === undefined) return undefined;
  const { unit, requestsPerUnit, unlimited, replaces } = rateLimit;
  const name = rateLimit.name ?? '';
  const shared = { name, shadow: shadowMode, replaces: replaces.map((other) => other.name) };
  if (name !== '' && shared.replaces.includes(name))
    violations.push({ path: `${at}.rateLimit.replaces`, message: `limit "${name}" of ${key}${value ?? ''} replaces itself` });
  if (unlimited) {
    if (unit !== undefined || requestsPerUnit !== undefined)
      violations.push({ path: `${at}.rateLimit`, message: 'unlimited goes without unit and requests_per_unit' });
    return { ...shared, rate: undefined };
  }
  if (unit === undefined)
    violations.push({ path: `${at}.rateLimit.unit`, message: `required field is missing: one of ${Object.keys(UNIT_SECONDS).join(', ')}` });
  return { ...shared, rate: { requests: requestsPerUnit ?? 0, unit: unit ?? 'second', multiplier: 1 } };
}

function composite(key: string, value: string): string {
  return `${key}\0${value}`;
}
