import { Backoff, systemRandom } from '@xebec/core';
import { type TapEvent, type TapStatus, tapLimits } from '@xebec/dataplane/tap';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, type KubeOptions, loadKubeConfig } from '../kube/connection.ts';
import { EventTable } from './event-table.ts';
import { followPods, type ProxyPod } from './followed-pods.ts';
import { openPodStream } from './pod-stream.ts';
import { countLimit, type TapFilterOptions, tapQuery, timeLimit } from './tap-query.ts';
import { selectPods, type TargetOptions } from './targets.ts';

export interface TapOptions extends KubeOptions, TapFilterOptions, TargetOptions {
  readonly output: string;
  readonly duration?: string;
  readonly count?: string;
  readonly container: string;
}

/** Each proxy costs its node a process and its API server a connection. */
const maxPods = 64;
/** What our own output may hold back; beyond it events are dropped and counted. */
const maxWaitingBytes = 4 * 1024 * 1024;
/** How long streams whose time is over may take to say so. */
const graceMs = 1500;

interface Stream {
  readonly pod: ProxyPod;
  /** Of streams before this one. */
  earlier: { byRate: number; bySlowViewer: number };
  status: TapStatus | undefined;
  readonly backoff: Backoff;
  close: () => void;
  cancelRetry: (() => void) | undefined;
}

/** `xebec tap`: resolves when it has ended as it was asked to. */
export async function run(target: string | undefined, options: TapOptions): Promise<void> {
  const print = printer(options);
  const query = tapQuery(options);
  const limitMs = timeLimit(options.duration);
  const limitCount = countLimit(options.count);
  const config = loadKubeConfig(options);
  const selection = await selectPods(config, target, defaultNamespace(config, options), options);
  const deadline = limitMs === undefined ? undefined : performance.now() + limitMs;
  const ending = new AbortController();
  const streams = new Map<string, Stream>();
  const lookedAt = new Set<string>();
  const said = new Set<string>();
  let shown = 0;
  let byRate = 0;
  let bySlowViewer = 0;
  let first = true;
  const done = Promise.withResolvers<void>();
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const sayOnce = (line: string): void => {
    if (said.has(line)) return;
    said.add(line);
    say(line);
  };
  const settle = (stream: Stream): void => {
    byRate += stream.earlier.byRate + (stream.status?.dropped_by_rate ?? 0);
    bySlowViewer += stream.earlier.bySlowViewer + (stream.status?.dropped_by_slow_viewer ?? 0);
    stream.earlier = { byRate: 0, bySlowViewer: 0 };
    stream.status = undefined;
  };
  const onEvent = (event: TapEvent, pod: ProxyPod): void => {
    if (limitCount !== undefined && shown >= limitCount) return;
    if (process.stdout.writableLength > maxWaitingBytes) {
      bySlowViewer++;
      return;
    }
    shown++;
    print.event(event, pod);
    if (shown === limitCount) done.resolve();
  };
  const open = (stream: Stream): void => {
    const { pod } = stream;
    const name = `${pod.name}.${pod.namespace}`;
    const leftMs = deadline === undefined ? tapLimits.maxDurationMs : Math.max(1, Math.round(deadline - performance.now()));
    const own = new URLSearchParams(query);
    own.set('duration', `${leftMs}ms`);
    stream.close = openPodStream(config, pod, options.container, own, {
      onStarted() {
        stream.backoff.reset();
        if (!lookedAt.has(pod.uid)) say(`looking at ${name}`);
        lookedAt.add(pod.uid);
      },
      onEvent: (event) => onEvent(event, pod),
      onStatus(status) {
        stream.status = status;
      },
      onEnd(end) {
        settle(stream);
        if (ending.signal.aborted || streams.get(pod.uid) !== stream) return;
        if (end.kind === 'refused') {
          say(`${name}: ${end.reason}`);
          stream.close = () => undefined;
          refused.add(pod.uid);
          endWhenNothingIsLeft();
          return;
        }
        if (deadline !== undefined && performance.now() >= deadline - 50) {
          over.add(pod.uid);
          if (over.size + refused.size >= streams.size) done.resolve();
          return;
        }
        if (end.kind === 'broken') sayOnce(`${name}: ${end.reason}; trying again`);
        const timer = setTimeout(() => open(stream), end.kind === 'over' ? 0 : stream.backoff.nextMs());
        stream.cancelRetry = () => clearTimeout(timer);
      },
    });
  };
  const refused = new Set<string>();
  const over = new Set<string>();
  const endWhenNothingIsLeft = (): void => {
    if (refused.size === streams.size && lookedAt.size === 0)
      done.reject(new CommandFailure(`no proxy of ${selection.text} could be looked at`));
  };
  const forget = (stream: Stream): void => {
    streams.delete(stream.pod.uid);
    refused.delete(stream.pod.uid);
    over.delete(stream.pod.uid);
    stream.cancelRetry?.();
    stream.close();
  };
  const onPods = (pods: readonly ProxyPod[], others: number): void => {
    const present = new Set(pods.map(({ uid }) => uid));
    for (const stream of [...streams.values()]) {
      if (present.has(stream.pod.uid)) continue;
      say(`${stream.pod.name}.${stream.pod.namespace} is gone`);
      forget(stream);
    }
    if (first && pods.length === 0) {
      const why = others === 0 ? 'there is no pod' : `none of its ${others} pods has a running container ${options.container}`;
      if (selection.podName !== undefined)
        done.reject(new CommandFailure(`${selection.text} has no proxy to look at: it has no running container ${options.container}`));
      else say(`${selection.text}: ${why}; waiting for one`);
    }
    first = false;
    if (pods.length > maxPods) sayOnce(`more than ${maxPods} proxies: looking at the first ${maxPods}; name fewer by target or -l`);
    for (const pod of pods) {
      if (streams.has(pod.uid) || streams.size >= maxPods) continue;
      const stream: Stream = {
        pod,
        earlier: { byRate: 0, bySlowViewer: 0 },
        status: undefined,
        backoff: new Backoff({ baseMs: 250, maxMs: 5000 }, systemRandom),
        close: () => undefined,
        cancelRetry: undefined,
      };
      streams.set(pod.uid, stream);
      open(stream);
    }
  };
  const interrupt = (): void => done.resolve();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const timer = limitMs === undefined ? undefined : setTimeout(() => done.resolve(), limitMs + graceMs);
  print.begin();
  try {
    await Promise.race([
      done.promise,
      followPods(
        config,
        selection,
        options.container,
        { onPods, onTrouble: (reason) => sayOnce(`${reason}; trying again`) },
        ending.signal,
      ).then(() => done.promise),
    ]);
  } finally {
    clearTimeout(timer);
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    ending.abort();
    for (const stream of [...streams.values()]) forget(stream);
  }
  const proxies = lookedAt.size === 1 ? '1 proxy' : `${lookedAt.size} proxies`;
  say(
    `${shown} shown, ${byRate} dropped by rate (--max-rps ${options.maxRps}), ${bySlowViewer} dropped because they were read too slowly; ${proxies}`,
  );
}

interface Printer {
  begin(): void;
  event(event: TapEvent, pod: ProxyPod): void;
}

function printer({ output, showHeaders }: TapOptions): Printer {
  const write = (text: string): void => void process.stdout.write(text);
  if (output === 'json')
    return {
      begin: () => undefined,
      event: (event, { name, namespace }) => write(`${JSON.stringify({ ...event, proxy: { pod: name, namespace } })}\n`),
    };
  if (output !== 'table' && output !== 'wide')
    throw new CommandFailure(`-o ${output} is not an output format; use table, wide or json`, EXIT.usage);
  const table = new EventTable({ wide: output === 'wide', headers: showHeaders !== undefined && showHeaders !== false });
  return { begin: () => write(table.header()), event: (event, pod) => write(table.row(event, pod)) };
}
