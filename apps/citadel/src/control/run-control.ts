import { type Clock, errorText, type Logger } from '@xebec/core';
import type { RootKeeper } from '../roots/root-keeper.ts';
import { caStatus } from './ca-status.ts';
import type { CaAnswer, CaRequest, ControlDesk } from './control-desk.ts';

export interface ControlOptions {
  readonly desk: ControlDesk;
  readonly keeper: RootKeeper;
  readonly trustDomain: string;
  /** Which replica this is. */
  readonly citadel: string;
  /** Why the plugged-in CA is not used; empty when it is or when there is none. */
  problem(): string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const PERIOD_MS = 500;
/** A request that nobody took for so long is not wanted any more. */
const STALE_MS = 600_000;

/** Looks for requests of operators, does what they ask, and shows how it stands. */
export function runControl(options: ControlOptions): { close(): Promise<void> } {
  const { desk, keeper, clock, logger } = options;
  let answer: CaAnswer | undefined;
  let handled = '';
  let shown = '';
  let closed = false;
  let cancel: () => void = () => undefined;
  let running: Promise<void> = Promise.resolve();

  const handle = async (request: CaRequest) => {
    const wanted = clock.now() - request.at <= STALE_MS && (await desk.claim(request));
    handled = request.id;
    if (!wanted) return;
    try {
      const message = await perform(options, request);
      answer = { id: request.id, ok: true, message };
      logger.info({ verb: request.verb, argument: request.argument }, `as asked: ${message}`);
    } catch (error) {
      answer = { id: request.id, ok: false, message: errorText(error).slice(0, 500) };
      logger.warn({ verb: request.verb }, `not done: ${answer.message}`);
    }
  };
  /** Whether another replica, which did not answer, has shown its own view since: who asked still waits. */
  const isAnswerHidden = async (request: CaRequest | undefined) =>
    answer !== undefined && answer.id === request?.id && (await desk.shown())?.includes(answer.id) !== true;
  const turn = async () => {
    const request = await desk.request();
    if (request !== undefined && request.id !== handled && request.id !== answer?.id) await handle(request);
    const text = JSON.stringify(caStatus(keeper, { ...options, problem: options.problem(), answer }), null, 1);
    if (text === shown && !(await isAnswerHidden(request))) return;
    await desk.show(text);
    shown = text;
  };
  const loop = () => {
    running = turn().catch((error: unknown) => logger.debug({ code: 'E_CA_CONTROL' }, errorText(error).slice(0, 200)));
    void running.then(() => {
      if (!closed) cancel = clock.setTimeout(loop, PERIOD_MS);
    });
  };
  loop();
  return {
    async close() {
      closed = true;
      cancel();
      await running;
    },
  };
}

async function perform({ keeper, clock }: ControlOptions, { verb, argument }: CaRequest): Promise<string> {
  switch (verb) {
    case 'rotate':
      await keeper.rotate();
      return 'a new root is being distributed';
    case 'pause':
      await keeper.command({ type: 'pause' });
      return 'the rotation is paused';
    case 'resume':
      await keeper.command({ type: 'resume' });
      return 'the rotation goes on';
    case 'step':
      if (keeper.view()?.rotation.phase !== 'steady') await keeper.command({ type: 'step' });
      else await keeper.rotate({ paused: true });
      return 'the rotation goes on by one phase';
    case 'rollback':
      await keeper.command({ type: 'rollback', at: clock.now() });
      return 'the rotation is rolled back';
    case 'skip':
      await keeper.command({ type: 'skip', id: argument });
      return `${argument} is not waited for`;
    case 'revoke':
      return revokedText(await keeper.revoke(argument));
  }
}

function revokedText(count: number): string {
  return count === 1 ? '1 certificate is revoked' : `${count} certificates are revoked`;
}
