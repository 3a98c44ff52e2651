import type { AdapterSignature } from '@xebec/policy';
import type { Analyzer } from './analyzer.ts';
import type { Fields } from './fields.ts';
import { createMessage, formatMessage, levelOf, type Message } from './message.ts';
import type { Level } from './message-types.ts';
import type { RawObject } from './object.ts';
import { analyzers } from './registry.ts';
import { createView } from './view.ts';

export interface AnalyzeOptions {
  readonly domain?: string;
  readonly rootNamespace?: string;
  /** Whether the objects are all there is, as those of a live mesh; files are but a part (the default). See ViewOptions. */
  readonly complete?: boolean;
  /** MeshConfig and MeshNetworks as they were read. */
  readonly meshConfig?: Fields;
  readonly meshNetworks?: Fields;
  /** Milliseconds since 1970, for validity periods; without it nothing is said of them. */
  readonly now?: number;
  /** KiB that one object may add to the configuration of each proxy: 1024. */
  readonly maxProxyGrowthKib?: number;
  /** Of Mixer, by name; without them nothing is said of Mixer's objects. */
  readonly adapters?: ReadonlyMap<string, AdapterSignature>;
  /** Only analyzers of these names. */
  readonly only?: readonly string[];
}

const LEVEL_ORDER: Readonly<Record<Level, number>> = { Error: 0, Warning: 1, Info: 2 };
const SUPPRESS = 'galley.istio.io/analyze-suppress';

/** All messages of a set of objects, errors first. An object can switch codes off for itself by annotation. */
export function analyze(objects: readonly RawObject[], options: AnalyzeOptions = {}): Message[] {
  // Where an object is given twice, the later one counts, as when both are applied.
  const latest = new Map(objects.map((object) => [objectKey(object), object]));
  const view = createView([...latest.values()], {
    domain: options.domain ?? 'cluster.local',
    rootNamespace: options.rootNamespace ?? 'istio-system',
    complete: options.complete ?? false,
    meshConfig: options.meshConfig ?? {},
    meshNetworks: options.meshNetworks ?? {},
    now: options.now,
    maxProxyGrowthKib: options.maxProxyGrowthKib ?? 1024,
    adapters: options.adapters,
  });
  const found: Message[] = [];
  for (const analyzer of analyzers)
    if (isWanted(analyzer, options.only))
      analyzer.analyze(view, (code, resource, values, path) => found.push(createMessage(code, resource.subject, values, path)));
  const suppressed = suppressedCodes(latest.values());
  const keyed = found
    .filter(({ code, subject }) => {
      const codes = suppressed.get(`${subject.kind}/${subject.namespace}/${subject.name}`);
      return codes === undefined || !(codes.includes(code) || codes.includes('*'));
    })
    .map((message) => ({ message, line: formatMessage(message) }))
    .sort(({ message: a, line }, { message: b, line: other }) => order(a, b) || compare(line, other));
  return keyed.filter(({ line }, index) => keyed[index - 1]?.line !== line).map(({ message }) => message);
}

function isWanted({ name, onRequest }: Analyzer, only: readonly string[] | undefined): boolean {
  return only === undefined || only.length === 0 ? onRequest !== true : only.includes(name);
}

function suppressedCodes(objects: Iterable<RawObject>): ReadonlyMap<string, readonly string[]> {
  const codes = new Map<string, readonly string[]>();
  for (const { kind, metadata } of objects) {
    const value = metadata.annotations[SUPPRESS];
    if (value !== undefined)
      codes.set(
        `${kind}/${metadata.namespace}/${metadata.name}`,
        value.split(',').map((code) => code.trim()),
      );
  }
  return codes;
}

function objectKey({ apiVersion, kind, metadata, cluster }: RawObject): string {
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  return `${cluster ?? ''}/${group}/${kind}/${metadata.namespace}/${metadata.name}`;
}

function order(a: Message, b: Message): number {
  return (
    compare(a.subject.cluster ?? '', b.subject.cluster ?? '') ||
    LEVEL_ORDER[levelOf(a)] - LEVEL_ORDER[levelOf(b)] ||
    compare(a.code, b.code) ||
    compare(sortKey(a), sortKey(b))
  );
}

function sortKey({ subject: { kind, name, namespace } }: Message): string {
  return `${kind}/${name}/${namespace}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
