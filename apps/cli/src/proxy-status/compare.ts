import { type DescMessage, type JsonValue, type MessageShape, type Registry, toJson } from '@bufbuild/protobuf';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import type { ProxyDump } from '../proxy-config/dump.ts';

/** Differences of one resource that are shown; the rest are counted. */
const SHOWN = 8;

/** What pilot sent against what the proxy runs, type by type; listeners and clusters of the proxy's own bootstrap must not be among it. */
export function comparison(sent: ProxyDump, runs: ProxyDump, registry: Registry): string {
  return [
    compared('Clusters', ClusterSchema, sent.clusters, runs.clusters, registry),
    compared('Listeners', ListenerSchema, sent.listeners, runs.listeners, registry),
    // A proxy has only the route configurations that it asked for.
    compared(
      'Routes',
      RouteConfigurationSchema,
      sent.routes.filter(({ name }) => runs.routes.some((route) => route.name === name)),
      runs.routes.filter(({ name }) => name !== ''),
      registry,
    ),
  ].join('');
}

function compared<D extends DescMessage>(
  title: string,
  desc: D,
  sent: readonly (MessageShape<D> & { readonly name: string })[],
  runs: readonly (MessageShape<D> & { readonly name: string })[],
  registry: Registry,
): string {
  const byName = (list: readonly (MessageShape<D> & { readonly name: string })[]) =>
    new Map(list.map((message) => [message.name, toJson(desc, message, { registry })]));
  const [ours, theirs] = [byName(sent), byName(runs)];
  const lines: string[] = [];
  for (const name of [...new Set([...ours.keys(), ...theirs.keys()])].sort()) {
    const [expected, found] = [ours.get(name), theirs.get(name)];
    if (found === undefined) lines.push(`- ${name}: the proxy does not have it`);
    else if (expected === undefined) lines.push(`+ ${name}: pilot does not send it`);
    else {
      const differences = differing(expected, found, '');
      if (differences.length > 0) lines.push(`~ ${name}`);
      for (const { path, before, after } of differences.slice(0, SHOWN)) lines.push(`    ${path}: pilot ${before}, proxy ${after}`);
      if (differences.length > SHOWN) lines.push(`    and ${differences.length - SHOWN} more`);
    }
  }
  return lines.length === 0 ? `${title} Match\n` : `${title} Don't Match\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

interface FieldDifference {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

function differing(a: JsonValue | undefined, b: JsonValue | undefined, path: string): FieldDifference[] {
  if (isContainer(a) && isContainer(b) && Array.isArray(a) === Array.isArray(b)) {
    const left = new Map(Object.entries(a));
    const right = new Map(Object.entries(b));
    return [...new Set([...left.keys(), ...right.keys()])].flatMap((key) =>
      differing(left.get(key), right.get(key), Array.isArray(a) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`),
    );
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ path, before: shortened(a), after: shortened(b) }];
}

function isContainer(value: JsonValue | undefined): value is { [key: string]: JsonValue } | JsonValue[] {
  return typeof value === 'object' && value !== null;
}

function shortened(value: JsonValue | undefined): string {
  if (value === undefined) return 'has none';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
