import * as http from 'node:http';
import * as https from 'node:https';
import { connect } from 'node:net';
import type { V1Container, V1HTTPGetAction, V1LifecycleHandler, V1Probe } from '@kubernetes/client-node';
import type { Clock } from '@xebec/core';

/** The kinds of check that probes and lifecycle hooks share; undefined when fine, otherwise what is wrong. */
export interface ProbeRunner {
  readonly podIp: string;
  /** Runs a command in the container; its exit code and output. */
  exec(command: readonly string[], timeoutMs: number): Promise<{ readonly code: number; readonly stderr: string }>;
}

export async function runHandler(
  handler: V1Probe | V1LifecycleHandler,
  container: V1Container,
  runner: ProbeRunner,
  timeoutMs: number,
): Promise<string | undefined> {
  if (handler.exec?.command !== undefined) {
    const done = await runner.exec(handler.exec.command, timeoutMs);
    return done.code === 0
      ? undefined
      : `command ${handler.exec.command.join(' ')} ended with code ${done.code}: ${done.stderr.slice(0, 200)}`;
  }
  if (handler.httpGet !== undefined) return httpGet(handler.httpGet, portNumber(handler.httpGet.port, container), runner.podIp, timeoutMs);
  if (handler.tcpSocket !== undefined)
    return tcpConnect(handler.tcpSocket.host ?? runner.podIp, portNumber(handler.tcpSocket.port, container), timeoutMs);
  const grpc = 'grpc' in handler ? handler.grpc : undefined;
  if (grpc !== undefined) return tcpConnect(runner.podIp, grpc.port, timeoutMs);
  return undefined;
}

function portNumber(port: unknown, container: V1Container): number {
  const number = Number(port);
  return Number.isInteger(number) ? number : (container.ports?.find((candidate) => candidate.name === port)?.containerPort ?? 0);
}

function httpGet(action: V1HTTPGetAction, port: number, podIp: string, timeoutMs: number): Promise<string | undefined> {
  const secure = action.scheme === 'HTTPS';
  const host = action.host ?? podIp;
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.34', accept: '*/*', connection: 'close' };
  for (const header of action.httpHeaders ?? []) headers[header.name] = header.value;
  const where = `${secure ? 'https' : 'http'}://${host}:${port}${action.path ?? '/'}`;
  return new Promise((resolve) => {
    const options = { host, port, path: action.path ?? '/', headers, timeout: timeoutMs, agent: false as const };
    // Like the kubelet: a probe asks whether the server answers, not who it is.
    const request = secure ? https.get({ ...options, rejectUnauthorized: false }) : http.get(options);
    request.once('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.once('error', (error) => resolve(`${where}: ${error.message}`));
    request.once('response', (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`);
    });
  });
}

function tcpConnect(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const done = (problem?: string) => {
      socket.destroy();
      resolve(problem);
    };
    socket.once('connect', () => done());
    socket.once('timeout', () => done(`${host}:${port}: no connection within ${timeoutMs} ms`));
    socket.once('error', (error) => done(`${host}:${port}: ${error.message}`));
  });
}

const EAGER_PERIOD_MS = 100;

export interface ProbeLoopOptions {
  readonly probe: V1Probe;
  check(timeoutMs: number): Promise<string | undefined>;
  /** Called with each verdict that reached its threshold. */
  report(healthy: boolean, problem: string): void;
  readonly clock: Clock;
  /** Startup and readiness: until the first success ask every 100 ms, so that start-up is not rounded up to periods. */
  readonly eager: boolean;
}

/** Repeats one probe until closed. */
export class ProbeLoop {
  readonly #options: ProbeLoopOptions;
  #cancel: (() => void) | undefined;
  #closed = false;
  #run = 0;
  #last: boolean | undefined;
  #everGood = false;
  #countedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ProbeLoopOptions) {
    this.#options = options;
    this.#schedule((options.probe.initialDelaySeconds ?? 0) * 1000);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #schedule(delayMs: number): void {
    if (!this.#closed) this.#cancel = this.#options.clock.setTimeout(() => void this.#once(), delayMs);
  }

  async #once(): Promise<void> {
    const { probe, check, report, clock, eager } = this.#options;
    const problem = await check((probe.timeoutSeconds ?? 1) * 1000);
    if (this.#closed) return;
    const good = problem === undefined;
    const periodMs = (probe.periodSeconds ?? 10) * 1000;
    this.#everGood ||= good;
    // Eager failures count once a period: the threshold means the same time as on a cluster.
    const counts = good || !eager || this.#everGood || clock.monotonic() - this.#countedAt >= periodMs;
    if (counts) {
      this.#countedAt = clock.monotonic();
      this.#run = good === this.#last ? this.#run + 1 : 1;
      this.#last = good;
      if (this.#run >= (good ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3))) report(good, problem ?? '');
    }
    this.#schedule(eager && !this.#everGood ? Math.min(periodMs, EAGER_PERIOD_MS) : periodMs);
  }
}
