import { chmodSync, chownSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { V1Container, V1Pod } from '@kubernetes/client-node';
import { type Clock, errorText, type Logger } from '@xebec/core';
import { capturePlan, INIT_CONTAINER, iptablesOptionsOf, PROXY_CONTAINER } from '@xebec/injection';
import { type ContainerCommand, containerArgv, type StartedProcess, startContainer } from './container-process.ts';
import { containerEnvironment, expand, MissingReference, type ObjectSource, type PodFacts } from './environment.ts';
import { type ImageMap, unknownImageMessage } from './images.ts';
import { rotateLog } from './log-rotation.ts';
import type { NetworkProvider, PodNetwork } from './network.ts';
import { type ContainerState, newContainerState, type PodState, writePodState } from './pod-state.ts';
import { type PodCondition, podStatus } from './pod-status.ts';
import { ProbeLoop, runHandler } from './probes.ts';
import { isAlive, killGroupRemains, run, signalProcess } from './processes.ts';
import { mountVolumes, type VolumeContext, volumesOf, writeVolume } from './volumes.ts';

/** What a pod needs from its node. */
export interface NodeServices {
  readonly network: NetworkProvider;
  readonly images: ImageMap;
  readonly source: ObjectSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly nodeName: string;
  readonly clusterCa: string;
  /** Environment that the node gives every container of a pod. */
  baseEnvironment(pod: V1Pod, container: V1Container, network: PodNetwork): Record<string, string>;
  token(pod: V1Pod, audience: string | undefined, expirationSeconds: number): Promise<{ token: string; renewAtMs: number }>;
  publish(pod: V1Pod, status: Record<string, unknown>): Promise<void>;
  event(pod: V1Pod, type: 'Normal' | 'Warning', reason: string, message: string): void;
  /** The pod's processes are gone: the object may go too. */
  confirmDeleted(pod: V1Pod): Promise<void>;
  /** A pod got its address: service rules are due. */
  networkChanged(): void;
}

const ADOPTED_POLL_MS = 250;
const RETRY_MS = 200;
const IMAGE_RETRY_MS = 1000;
const IMAGE_RETRY_MAX_MS = 300_000;
const RESTART_BASE_MS = 1000;
const RESTART_MAX_MS = 300_000;
const STABLE_MS = 600_000;
const VOLUME_REFRESH_MS = 2000;

/** Runs one pod on this node, from its first volume to the confirmation of its deletion. */
export class PodWorker {
  readonly state: PodState;
  readonly directory: string;
  #pod: V1Pod;
  readonly #node: NodeServices;
  readonly #probes = new Map<string, ProbeLoop[]>();
  readonly #renewals = new Map<string, number>();
  #stopping = false;
  #published = '';
  #conditions: readonly PodCondition[] = [];
  #publishing: Promise<void> | undefined;
  #closed = false;
  readonly #firstPublish = Promise.withResolvers<void>();

  constructor(pod: V1Pod, state: PodState, directory: string, node: NodeServices) {
    this.#pod = pod;
    this.state = state;
    this.directory = directory;
    this.#node = node;
  }

  get pod(): V1Pod {
    return this.#pod;
  }
  /** Resolves when the API server knows the pod's state of this run, or the pod needs none. */
  get firstPublished(): Promise<void> {
    return this.#firstPublish.promise;
  }
  get stopping(): boolean {
    return this.#stopping;
  }

  start(): void {
    void this.#run().catch((error: unknown) => this.#node.logger.error({ pod: this.#key() }, errorText(error)));
  }
  /** A newer version of the object: deletion, or changed labels. */
  update(pod: V1Pod): void {
    this.#pod = pod;
    if (pod.metadata?.deletionTimestamp !== undefined && pod.metadata.deletionTimestamp !== null) {
      void this.stop(pod.metadata.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30, true);
    }
  }
  /** The agent goes away and its pods stay. */
  close(): void {
    this.#closed = true;
    this.#firstPublish.resolve();
    for (const loops of this.#probes.values()) for (const loop of loops) loop.close();
  }

  async #run(): Promise<void> {
    const { network } = this.#node;
    this.state.startTime ??= this.#now();
    // What ended while no agent watched is not ready, whatever the last status says.
    for (const container of [...Object.values(this.state.containers), ...Object.values(this.state.init)]) {
      if (container.process === undefined || isAlive(container.process)) continue;
      container.ready = false;
      container.started = false;
    }
    this.#save();
    this.update(this.#pod);
    if (this.state.network === undefined || !network.isAttached(this.state.network)) await this.#attach();
    await this.#untilVolumesWritten();
    if (this.#over()) return;
    if (!(await this.#runInitContainers())) return;
    for (const container of this.#pod.spec?.containers ?? []) {
      if (this.#over()) return;
      void this.#supervise(container);
      await this.#postStart(container);
    }
    this.#scheduleVolumeRefresh();
  }

  async #attach(): Promise<void> {
    const sidecar = this.#hasSidecar();
    // A sandbox that died took the rules with it, and whatever still runs belongs to no network.
    for (const state of [...Object.values(this.state.containers), ...Object.values(this.state.init)]) {
      if (state.process !== undefined) signalProcess(state.process, 'SIGKILL');
      if (state.terminated?.exitCode === 0 && this.state.network !== undefined) delete state.terminated;
    }
    for (;;) {
      try {
        this.state.network = await this.#node.network.attach(this.#key(), {
          sidecar,
          index: this.state.index,
          directory: this.directory,
          namespace: this.#pod.metadata?.namespace ?? '',
        });
        break;
      } catch (error) {
        this.#node.event(this.#pod, 'Warning', 'FailedCreatePodSandBox', errorText(error));
        await this.#pause(1000);
        if (this.#over()) return;
      }
    }
    this.state.captured = false;
    this.#save();
    this.#node.networkChanged();
  }

  #hasSidecar(): boolean {
    const spec = this.#pod.spec;
    const named = (name: string) =>
      [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some((container) => container.name === name);
    return (
      named(INIT_CONTAINER) || (this.#node.network.mode === 'loopback' && named(PROXY_CONTAINER) && (spec?.containers.length ?? 0) > 1)
    );
  }

  /** Waits, as for a pull, until the container's image means something here: it may be corrected in place. */
  async #untilImageKnown(name: string, state: ContainerState): Promise<void> {
    const image = () => this.#allContainers().find((candidate) => candidate.name === name)?.image ?? '';
    for (let attempt = 0; !this.#over() && this.#node.images.resolve(image()) === undefined; attempt++) {
      const tried = image();
      const message = unknownImageMessage(tried);
      const first = attempt % 2 === 0;
      state.waiting = { reason: first ? 'ErrImagePull' : 'ImagePullBackOff', message };
      if (first) this.#node.event(this.#pod, 'Warning', 'Failed', `Failed to pull image "${tried}": ${message}`);
      else this.#node.event(this.#pod, 'Normal', 'BackOff', `Back-off pulling image "${tried}"`);
      this.#save();
      const end = this.#node.clock.monotonic() + Math.min(IMAGE_RETRY_MAX_MS, IMAGE_RETRY_MS * 2 ** attempt);
      while (!this.#over() && image() === tried && this.#node.clock.monotonic() < end) await this.#pause(RETRY_MS);
    }
  }

  async #untilVolumesWritten(): Promise<void> {
    let told = '';
    for (;;) {
      const problem = await this.#writeVolumes();
      if (problem === undefined || this.#over()) return;
      if (problem !== told) this.#node.event(this.#pod, 'Warning', 'FailedMount', problem);
      told = problem;
      await this.#pause(RETRY_MS);
    }
  }

  async #writeVolumes(): Promise<string | undefined> {
    const context = this.#volumeContext();
    let problem: string | undefined;
    for (const volume of volumesOf(this.#pod)) {
      const renewAt = this.#renewals.get(volume.name);
      if (renewAt !== undefined && renewAt > this.#node.clock.now()) continue;
      try {
        const next = await writeVolume(volume, context);
        if (next !== undefined) this.#renewals.set(volume.name, next);
      } catch (error) {
        problem = `MountVolume.SetUp failed for volume "${volume.name}": ${errorText(error)}`;
      }
    }
    return problem;
  }

  /** Rotates tokens and follows changes of ConfigMaps and Secrets, as long as the pod lives. */
  #scheduleVolumeRefresh(): void {
    this.#node.clock.setTimeout(async () => {
      if (this.#over()) return;
      const problem = await this.#writeVolumes();
      if (problem !== undefined) this.#node.logger.debug({ pod: this.#key() }, problem);
      for (const container of this.#allContainers()) rotateLog(this.logFileOf(container.name));
      this.#scheduleVolumeRefresh();
    }, VOLUME_REFRESH_MS);
  }

  #volumeContext(): VolumeContext {
    return {
      pod: this.#pod,
      directory: join(this.directory, 'volumes'),
      source: this.#node.source,
      facts: this.#facts(),
      clusterCa: this.#node.clusterCa,
      token: (audience, seconds) => this.#node.token(this.#pod, audience, seconds),
    };
  }

  async #runInitContainers(): Promise<boolean> {
    for (const container of this.#pod.spec?.initContainers ?? []) {
      const state = this.#containerState(container);
      if (container.name === INIT_CONTAINER) {
        if (!this.state.captured) await this.#applyCapture(container, state);
        continue;
      }
      if (state.terminated?.exitCode === 0 && state.process === undefined) continue;
      for (;;) {
        const code = await this.#runOnce(container, state);
        if (this.#over()) return false;
        if (code === 0) break;
        if (this.#pod.spec?.restartPolicy === 'Never') return false;
        await this.#backOff(container, state);
      }
    }
    return true;
  }

  async #applyCapture(container: V1Container, state: ContainerState): Promise<void> {
    const startedAt = this.#now();
    const { network } = this.state;
    if (network === undefined) return;
    for (;;) {
      try {
        await this.#node.network.applyCapture(network, capturePlan(iptablesOptionsOf(container.args ?? [])));
        break;
      } catch (error) {
        state.waiting = { reason: 'RunInitError', message: errorText(error) };
        this.#node.event(this.#pod, 'Warning', 'Failed', errorText(error));
        this.#save();
        await this.#pause(1000);
        if (this.#over()) return;
      }
    }
    delete state.waiting;
    state.ready = true;
    state.terminated = { exitCode: 0, reason: 'Completed', startedAt, finishedAt: this.#now() };
    this.state.captured = true;
    this.#save();
    this.#node.networkChanged();
  }

  /** Starts or adopts the process and waits for its end; the exit code, 137 where nobody saw it. */
  async #runOnce(container: V1Container, state: ContainerState): Promise<number> {
    let exited: Promise<number>;
    if (state.process !== undefined && isAlive(state.process)) {
      exited = this.#adopted(state.process);
    } else {
      if (state.process !== undefined) {
        // It ended while no agent watched.
        this.#recordEnd(state, 137, 'ContainerStatusUnknown');
        state.restartCount++;
      }
      await this.#untilImageKnown(container.name, state);
      const started = await this.#startProcess(container, state);
      if (started === undefined) return 128;
      exited = started.exited;
    }
    this.#startProbes(container, state);
    const code = await exited;
    if (this.#closed) return code;
    this.#stopProbes(container.name);
    if (state.process !== undefined) killGroupRemains(state.process);
    this.#recordEnd(state, code, code === 0 ? 'Completed' : code === 137 ? 'Killed' : 'Error');
    this.#save();
    return code;
  }

  async #startProcess(container: V1Container, state: ContainerState): Promise<StartedProcess | undefined> {
    for (;;) {
      if (this.#over()) return undefined;
      try {
        const started = await startContainer(this.#command(container));
        state.process = started.id;
        state.startedAt = this.#now();
        state.started = container.startupProbe === undefined;
        state.ready = state.started && container.readinessProbe === undefined;
        delete state.waiting;
        delete state.terminated;
        this.#save();
        this.#node.event(this.#pod, 'Normal', 'Started', `Started container ${container.name}`);
        return started;
      } catch (error) {
        const reason = error instanceof MissingReference ? 'CreateContainerConfigError' : 'RunContainerError';
        if (state.waiting?.message !== errorText(error)) this.#node.event(this.#pod, 'Warning', 'Failed', `Error: ${errorText(error)}`);
        state.waiting = { reason, message: errorText(error) };
        this.#save();
        await this.#pause(error instanceof MissingReference ? RETRY_MS : 1000);
      }
    }
  }

  #command(container: V1Container): ContainerCommand {
    const { network } = this.state;
    // The object's newest version: an image may be corrected in place.
    const current = this.#allContainers().find((candidate) => candidate.name === container.name) ?? container;
    const image = this.#node.images.resolve(current.image ?? '');
    if (network === undefined || image === undefined) throw new MissingReference('the pod has no network yet');
    const root = this.rootOf(container.name);
    mountVolumes(container, root, join(this.directory, 'volumes'));
    const base = { ...this.#node.baseEnvironment(this.#pod, container, network), XEBEC_ROOT: root, ...image.env };
    const env = containerEnvironment(this.#pod, container, base, this.#node.source, this.#facts());
    // The mesh's settings describe a pod of a cluster; without namespaces the sidecar cannot intercept.
    if (network.appIp !== network.podIp || this.#node.network.mode === 'loopback') env['ISTIO_META_INTERCEPTION_MODE'] = 'NONE';
    const given = (container.args ?? image.args).map((argument) => expand(argument, env));
    const args = image.impliedArgument !== undefined && given[0] === image.impliedArgument ? given.slice(1) : given;
    const command = container.command?.map((word) => expand(word, env));
    const user = container.securityContext?.runAsUser ?? this.#pod.spec?.securityContext?.runAsUser;
    const group = container.securityContext?.runAsGroup ?? this.#pod.spec?.securityContext?.runAsGroup ?? user;
    if (user !== undefined && process.getuid?.() === 0) chownSync(root, user, group ?? user);
    chmodSync(root, 0o755);
    return {
      argv: command === undefined ? [...image.entrypoint, ...args] : [...command, ...(container.args === undefined ? [] : given)],
      env,
      cwd: root,
      logFile: this.logFileOf(container.name),
      enter: this.#node.network.enter(network),
      ...(user === undefined ? {} : { user: { uid: user, gid: group ?? user } }),
    };
  }

  /** Keeps a container running by the pod's restart policy. */
  async #supervise(container: V1Container): Promise<void> {
    const state = this.#containerState(container);
    const policy = this.#pod.spec?.restartPolicy ?? 'Always';
    const done = state.process === undefined && state.terminated !== undefined && state.waiting === undefined;
    if (done && (policy === 'Never' || (policy === 'OnFailure' && state.terminated?.exitCode === 0))) return;
    for (;;) {
      const code = await this.#runOnce(container, state);
      if (this.#over()) return;
      if (policy === 'Never' || (policy === 'OnFailure' && code === 0)) return;
      await this.#backOff(container, state);
      if (this.#over()) return;
    }
  }

  async #backOff(container: V1Container, state: ContainerState): Promise<void> {
    state.restartCount++;
    const ran = state.last === undefined ? 0 : Date.parse(state.last.finishedAt) - Date.parse(state.last.startedAt);
    const quick = ran < STABLE_MS ? this.#quickFailures(state) : 0;
    // The first restart is immediate, as the kubelet's is; then the wait doubles.
    const delayMs = quick <= 1 ? 0 : Math.min(RESTART_MAX_MS, RESTART_BASE_MS * 2 ** (quick - 2));
    if (delayMs > 0) {
      state.waiting = {
        reason: 'CrashLoopBackOff',
        message: `back-off ${delayMs / 1000}s restarting failed container=${container.name} pod=${this.#pod.metadata?.name}_${this.#pod.metadata?.namespace}(${this.state.uid})`,
      };
      this.#node.event(this.#pod, 'Warning', 'BackOff', `Back-off restarting failed container ${container.name}`);
    }
    this.#save();
    await this.#pause(delayMs);
    delete state.terminated;
  }

  readonly #failures = new Map<ContainerState, number>();
  /** How many times in a row the container ended soon after its start: what ran ten seconds starts over. */
  #quickFailures(state: ContainerState): number {
    const ran = state.last === undefined ? 0 : Date.parse(state.last.finishedAt) - Date.parse(state.last.startedAt);
    const count = ran > 10_000 ? 1 : (this.#failures.get(state) ?? 0) + 1;
    this.#failures.set(state, count);
    return count;
  }

  #adopted(id: { pid: number; startTime: string }): Promise<number> {
    return new Promise((resolve) => {
      const check = () => {
        if (this.#closed) return;
        if (!isAlive(id)) resolve(137);
        else this.#node.clock.setTimeout(check, ADOPTED_POLL_MS);
      };
      check();
    });
  }

  #recordEnd(state: ContainerState, exitCode: number, reason: string): void {
    const end = { exitCode, reason, startedAt: state.startedAt ?? this.#now(), finishedAt: this.#now() };
    delete state.process;
    state.ready = false;
    state.started = false;
    state.terminated = end;
    state.last = end;
  }

  async #postStart(container: V1Container): Promise<void> {
    const handler = container.lifecycle?.postStart;
    if (handler === undefined) return;
    const state = this.#containerState(container);
    // `pilot-agent wait`: the applications start when the proxy answers.
    const wait = handler.exec?.command?.[0] === 'pilot-agent' && handler.exec.command[1] === 'wait';
    const ready = { httpGet: { path: '/healthz/ready', port: 15021 } };
    while (!this.#over()) {
      if (state.process !== undefined) {
        const problem = await this.#handle(wait ? ready : handler, container, 3000);
        if (problem === undefined) return;
        if (!wait) {
          this.#node.event(this.#pod, 'Warning', 'FailedPostStartHook', problem);
          return;
        }
      }
      await this.#pause(50);
    }
  }

  #handle(handler: Parameters<typeof runHandler>[0], container: V1Container, timeoutMs: number): Promise<string | undefined> {
    const runner = {
      podIp: this.#probeAddress(container),
      exec: async (command: readonly string[], limitMs: number) => {
        const spec = this.execCommand(container.name, command);
        if (spec === undefined) return { code: 126, stderr: 'container is not running' };
        const [file = '', ...args] = spec.argv;
        return run(file, args, undefined, limitMs);
      },
    };
    return runHandler(handler, container, runner, timeoutMs);
  }

  #probeAddress(container: V1Container): string {
    const { network } = this.state;
    return (container.name === PROXY_CONTAINER ? network?.podIp : network?.appIp) ?? '127.0.0.1';
  }

  #startProbes(container: V1Container, state: ContainerState): void {
    const loops: ProbeLoop[] = [];
    this.#probes.set(container.name, loops);
    const loop = (kind: 'startup' | 'readiness' | 'liveness', report: (healthy: boolean, problem: string) => void) => {
      const probe = container[`${kind}Probe`];
      if (probe === undefined) return;
      loops.push(
        new ProbeLoop({
          probe,
          clock: this.#node.clock,
          eager: kind !== 'liveness',
          check: (timeoutMs) => this.#handle(this.#redirectProbe(probe), container, timeoutMs),
          report: (healthy, problem) => {
            if (!healthy)
              this.#node.event(this.#pod, 'Warning', 'Unhealthy', `${kind[0]?.toUpperCase()}${kind.slice(1)} probe failed: ${problem}`);
            report(healthy, problem);
          },
        }),
      );
    };
    const restart = (problem: string) => {
      this.#node.event(this.#pod, 'Normal', 'Killing', `Container ${container.name} failed its probe (${problem}), will be restarted`);
      if (state.process !== undefined) void this.#end(container.name, state, this.#pod.spec?.terminationGracePeriodSeconds ?? 30);
    };
    const whenStarted = () => {
      state.started = true;
      if (container.readinessProbe === undefined) state.ready = true;
      this.#save();
      loop('readiness', (healthy) => {
        if (state.ready === healthy || state.process === undefined) return;
        state.ready = healthy;
        this.#save();
      });
      loop('liveness', (healthy, problem) => {
        if (!healthy) restart(problem);
      });
    };
    if (container.startupProbe === undefined) {
      whenStarted();
      return;
    }
    loop('startup', (healthy, problem) => {
      if (!healthy) {
        restart(problem);
        return;
      }
      for (const started of loops.splice(0)) started.close();
      whenStarted();
    });
  }

  /** Without namespaces the agent of every pod answers on the pod's address, not on the application's. */
  #redirectProbe<T extends { httpGet?: unknown }>(probe: T): T {
    const { network } = this.state;
    if (network === undefined || network.podIp === network.appIp) return probe;
    const action = probe.httpGet as { port?: unknown; host?: string } | undefined; // V1HTTPGetAction, whose fields are copied
    if (action === undefined || ![15020, 15021, 15090].includes(Number(action.port))) return probe;
    return { ...probe, httpGet: { ...action, host: network.podIp } };
  }

  #stopProbes(name: string): void {
    for (const loop of this.#probes.get(name) ?? []) loop.close();
    this.#probes.delete(name);
  }

  /** Ends the pod: preStop, SIGTERM, the grace period, SIGKILL; then frees what it had. */
  async stop(graceSeconds: number, confirm: boolean): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    await Promise.all(Object.entries(this.state.containers).map(([name, state]) => this.#end(name, state, graceSeconds)));
    await Promise.all(Object.entries(this.state.init).map(([name, state]) => this.#end(name, state, 0)));
    this.close();
    if (this.state.network !== undefined) await this.#node.network.detach(this.state.network);
    if (confirm) await this.#publishing?.catch(() => undefined);
    rmSync(this.directory, { recursive: true, force: true });
    if (confirm) await this.#node.confirmDeleted(this.#pod);
  }

  async #end(name: string, state: ContainerState, graceSeconds: number): Promise<void> {
    const { process: id } = state;
    this.#stopProbes(name);
    if (id === undefined) return;
    const container = this.#allContainers().find((candidate) => candidate.name === name);
    const deadline = this.#node.clock.monotonic() + graceSeconds * 1000;
    if (graceSeconds > 0 && container?.lifecycle?.preStop !== undefined) {
      await Promise.race([this.#handle(container.lifecycle.preStop, container, graceSeconds * 1000), this.#pause(graceSeconds * 1000)]);
    }
    signalProcess(id, 'SIGTERM');
    while (isAlive(id) && this.#node.clock.monotonic() < deadline) await this.#pause(10);
    signalProcess(id, 'SIGKILL');
    killGroupRemains(id);
  }

  rootOf(container: string): string {
    return join(this.directory, 'containers', container);
  }
  logFileOf(container: string): string {
    return join(this.directory, 'logs', `${container}.log`);
  }
  /** The argument vector and environment for a command in a running container; undefined when it does not run. */
  execCommand(name: string, command: readonly string[]): { argv: string[]; env: Record<string, string>; cwd: string } | undefined {
    const container = this.#allContainers().find((candidate) => candidate.name === name);
    if (container === undefined || this.#containerState(container).process === undefined) return undefined;
    const like = this.#command(container);
    return { argv: containerArgv({ ...like, argv: command }), env: { ...like.env }, cwd: like.cwd };
  }

  #containerState(container: V1Container): ContainerState {
    const isInit = this.#pod.spec?.initContainers?.some((candidate) => candidate.name === container.name) === true;
    const map = isInit ? this.state.init : this.state.containers;
    const state = map[container.name] ?? newContainerState();
    map[container.name] = state;
    return state;
  }
  #allContainers(): readonly V1Container[] {
    return [...(this.#pod.spec?.initContainers ?? []), ...(this.#pod.spec?.containers ?? [])];
  }
  #facts(): PodFacts {
    return { podIp: this.state.network?.podIp ?? '', hostIp: this.#node.network.hostIp, nodeName: this.#node.nodeName };
  }
  #key(): string {
    return `${this.#pod.metadata?.namespace}/${this.#pod.metadata?.name}`;
  }
  #now(): string {
    return new Date(this.#node.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  }
  #over(): boolean {
    return this.#stopping || this.#closed;
  }
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#node.clock.setTimeout(resolve, ms);
    });
  }

  /** Writes the state and tells the API server, one call at a time and the newest state last. */
  #save(): void {
    if (this.#over() && !existsSync(this.directory)) return;
    for (const container of this.#pod.spec?.containers ?? []) this.#containerState(container);
    mkdirSync(this.directory, { recursive: true });
    writePodState(this.directory, this.state);
    this.#publishing ??= this.#publishLoop();
  }
  /** Publishes again whatever the API server may have missed. */
  republish(): void {
    this.#published = '';
    this.#publishing ??= this.#publishLoop();
  }

  async #publishLoop(): Promise<void> {
    for (;;) {
      // Let the changes of one turn gather.
      await this.#pause(5);
      const status = podStatus(this.#pod, this.state, this.#node.network.hostIp, this.#now(), this.#conditions);
      this.#conditions = status.conditions;
      const text = JSON.stringify(status);
      if (text === this.#published || this.#closed) break;
      try {
        await this.#node.publish(this.#pod, status);
        this.#published = text;
        this.#firstPublish.resolve();
      } catch (error) {
        this.#node.logger.debug({ pod: this.#key() }, errorText(error));
        await this.#pause(RETRY_MS);
      }
    }
    this.#publishing = undefined;
  }
}
