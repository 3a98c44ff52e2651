import type { Socket } from 'node:net';
import type { ProbeConfig } from './health-check-config.ts';
import { failed, type Probe, type ProbeConnect, type ProbeResult, succeeded } from './probe.ts';

const maxAnswerBytes = 64 * 1024;

/** Connects, or also sends bytes and waits until those expected have come, in order. */
export function createTcpProbe(config: Extract<ProbeConfig, { kind: 'TCP' }>, connect: ProbeConnect, reuse: boolean): Probe {
  let attempt: { abandon(): void } | undefined;
  let socket: Socket | undefined;
  let done: ((result: ProbeResult) => void) | undefined;
  let answer: Buffer = Buffer.alloc(0);
  const close = (): void => {
    attempt?.abandon();
    attempt = undefined;
    socket?.destroy();
    socket = undefined;
  };
  const finish = (result: ProbeResult): void => {
    const report = done;
    done = undefined;
    if (!reuse || result.kind === 'failure' || config.receive.length === 0) close();
    report?.(result);
  };
  const ask = (): void => {
    if (config.send !== undefined) socket?.write(config.send);
    if (config.receive.length === 0) finish(succeeded);
  };
  return {
    run(report) {
      done = report;
      answer = Buffer.alloc(0);
      if (socket !== undefined) {
        ask();
        return;
      }
      attempt = connect([], {
        connected(opened) {
          attempt = undefined;
          socket = opened;
          opened.on('error', () => undefined);
          opened.on('close', () => {
            if (socket !== opened) return;
            socket = undefined;
            finish(failed('NETWORK'));
          });
          opened.on('end', () => opened.destroy());
          opened.on('data', (bytes: Buffer) => {
            if (done === undefined) return;
            answer = Buffer.concat([answer, bytes]).subarray(-maxAnswerBytes);
            if (containsInOrder(answer, config.receive)) finish(succeeded);
          });
          ask();
        },
        failed: () => {
          attempt = undefined;
          finish(failed('NETWORK'));
        },
      });
    },
    abort() {
      done = undefined;
      close();
    },
  };
}

/** Whether all parts are in the bytes, one after another. */
export function containsInOrder(bytes: Buffer, parts: readonly Buffer[]): boolean {
  let from = 0;
  for (const part of parts) {
    const at = bytes.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return true;
}
