import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { CommandFailure, EXIT } from '../exit.ts';
import { loadKubeConfig } from '../kube/connection.ts';
import { type CaDesk, type CaRequest, configMapDesk, directoryDesk } from './desk.ts';
import { type CaStatus, readStatus, showStatus } from './status.ts';

export interface CaOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly istioNamespace: string;
  readonly caDir?: string;
  readonly output?: string;
}

export interface RotateOptions extends CaOptions {
  readonly pause?: boolean;
  readonly resume?: boolean;
  readonly step?: boolean;
  readonly rollback?: boolean;
  readonly skip?: string;
  readonly wait?: boolean;
  readonly timeout: string;
}

const POLL_MS = 250;
const ANSWER_TIMEOUT_MS = 30_000;

function openDesk(options: CaOptions): CaDesk {
  return options.caDir === undefined ? configMapDesk(loadKubeConfig(options), options.istioNamespace) : directoryDesk(options.caDir);
}

async function statusOf(desk: CaDesk): Promise<CaStatus> {
  const text = await desk.status();
  const status = text === undefined ? undefined : readStatus(text);
  if (status === undefined) throw new CommandFailure('Citadel has shown no status yet: does it run? (its /readyz tells what it waits for)');
  return status;
}

function print(status: CaStatus, output: string | undefined): void {
  if (output === 'json') process.stdout.write(`${JSON.stringify(status, null, 2)}\n`);
  else if (output === 'yaml') process.stdout.write(stringify(status));
  else if (output === undefined || output === 'table') process.stdout.write(showStatus(status));
  else throw new CommandFailure(`-o wants table, json or yaml, but got "${output}"`, EXIT.usage);
}

export async function runStatus(options: CaOptions): Promise<void> {
  print(await statusOf(openDesk(options)), options.output);
}

export async function runRotate(options: RotateOptions): Promise<void> {
  const chosen = (['pause', 'resume', 'step', 'rollback'] as const).filter((verb) => options[verb] === true);
  if (chosen.length + (options.skip === undefined ? 0 : 1) > 1)
    throw new CommandFailure('--pause, --resume, --step, --rollback and --skip exclude each other', EXIT.usage);
  const timeoutMs = secondsOf(options.timeout) * 1000;
  const desk = openDesk(options);
  const [verb] = chosen;
  await ask(desk, options.skip === undefined ? (verb ?? 'rotate') : 'skip', options.skip ?? '');
  if (options.wait !== true) return print(await statusOf(desk), options.output);
  const deadline = Date.now() + timeoutMs;
  let phase = '';
  for (;;) {
    const status = await statusOf(desk);
    if (status.phase !== phase && options.output === undefined) process.stderr.write(`${status.phase}\n`);
    ({ phase } = status);
    if (phase === 'steady' || (options.step === true && status.paused)) return print(status, options.output);
    if (Date.now() > deadline) {
      print(status, options.output);
      throw new CommandFailure(`the rotation is in the phase ${phase} after ${options.timeout} s; it goes on without this command`);
    }
    await sleep(POLL_MS);
  }
}

export async function runRevoke(what: string, options: CaOptions): Promise<void> {
  const desk = openDesk(options);
  process.stdout.write(`${await ask(desk, 'revoke', what)}\n`);
}

/** Leaves a request and waits for Citadel's answer to it. */
async function ask(desk: CaDesk, verb: CaRequest['verb'], argument: string): Promise<string> {
  const id = randomUUID();
  await desk.leave({ id, verb, argument, at: Date.now() });
  const deadline = Date.now() + ANSWER_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const text = await desk.status();
    const answer = text === undefined ? undefined : readStatus(text)?.answer;
    if (answer?.id === id) {
      if (!answer.ok) throw new CommandFailure(`not done: ${answer.message}`);
      return answer.message;
    }
    await sleep(POLL_MS);
  }
  throw new CommandFailure(`Citadel has not answered in ${ANSWER_TIMEOUT_MS / 1000} s: does it run? The request stays for 10 minutes`);
}

function secondsOf(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new CommandFailure(`--timeout wants whole seconds, but got "${text}"`, EXIT.usage);
  return value;
}
