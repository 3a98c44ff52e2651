import { systemClock } from '@xebec/core';
import { kinds } from '@xebec/schemas';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, type KubeOptions, loadKubeConfig } from '../kube/connection.ts';
import { findPilots, pilotAt } from '../pilot/debug.ts';
import { type AwaitedObject, awaitObjects, parseTimeout, report } from '../pilot/progress.ts';

export interface WaitOptions extends KubeOptions {
  readonly for: string;
  readonly generation?: string;
  readonly timeout: string;
  readonly output: string;
  readonly pilot?: string;
  readonly istioNamespace: string;
}

/** The kind of `virtualservice`, `vs`, `virtualservices.networking.istio.io` and so on. */
export function kindNamed(text: string): (typeof kinds)[number] {
  const [bare = ''] = text.toLowerCase().split('.');
  const found = kinds.find(({ kind, plural, shortNames }) => [kind.toLowerCase(), plural, ...shortNames].includes(bare));
  if (found === undefined)
    throw new CommandFailure(
      `type "${text}" is no kind of the mesh; there are: ${kinds.map(({ plural }) => plural).join(', ')}`,
      EXIT.usage,
    );
  return found;
}

export async function run(type: string, reference: string, options: WaitOptions): Promise<void> {
  if (options.for !== 'distribution' && options.for !== 'delete')
    throw new CommandFailure(`--for ${options.for} is not a condition; use distribution or delete`, EXIT.usage);
  const { kind } = kindNamed(type);
  const end = systemClock.monotonic() + parseTimeout(options.timeout);
  const deadline = { remainingMs: () => end - systemClock.monotonic() };
  const config = options.pilot === undefined ? loadKubeConfig(options) : undefined;
  const slash = reference.indexOf('.');
  const [name, own] = slash < 0 ? [reference, undefined] : [reference.slice(0, slash), reference.slice(slash + 1)];
  const namespace = own ?? (config === undefined ? (options.namespace ?? 'default') : defaultNamespace(config, options));
  const pilots =
    options.pilot !== undefined ? [pilotAt(options.pilot)] : config === undefined ? [] : await findPilots(config, options.istioNamespace);
  const object: AwaitedObject = { kind, namespace, name, generation: Number(options.generation ?? 0) || 0 };
  if (options.for === 'distribution') return report(await awaitObjects(pilots, [object], deadline), options.output);
  for (;;) {
    const lists = await Promise.all(pilots.map((pilot) => pilot.read(`objectz?${new URLSearchParams({ kind, namespace, name })}`)));
    if (lists.every((list) => Array.isArray(list) && list.length === 0)) break;
    if (deadline.remainingMs() <= 0) throw new CommandFailure(`timed out: ${kind} ${namespace}/${name} is still there`);
    await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 200));
  }
  process.stdout.write(`${kind} ${namespace}/${name} is gone\n`);
}
