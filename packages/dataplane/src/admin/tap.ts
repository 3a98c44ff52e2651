import type { ServerResponse } from 'node:http';
import type { Clock } from '@xebec/core';
import type { DataplaneState } from '../dataplane-state.ts';
import { parseTapRequest, tapLimits } from '../tap/tap-request.ts';
import type { TapSink } from '../tap/tap-viewers.ts';
import type { AdminReply } from './handlers.ts';

/** Addresses of the machine itself: 127.0.0.0/8 and ::1. */
const loopback = /^(::ffff:)?127\.|^::1$/;

/**
 * `POST /tap/stream`: finished requests and connections as lines of JSON until the viewer goes or its time is over. The first line
 * says that every thread looks. Only for clients on this machine, wherever the admin server listens: it shows what users send.
 */
export function tapPage(query: URLSearchParams, state: DataplaneState): AdminReply {
  const request = parseTapRequest(query);
  if (!request.ok) return { status: 400, body: request.error.map((line) => `${line}\n`).join('') };
  const { taps } = state;
  if (taps.full) return { status: 429, body: `${tapLimits.viewers} viewers look at this proxy already; end one of them and try again\n` };
  const { value } = request;
  return {
    type: 'application/x-ndjson',
    body: '',
    stream(response, clientAddress) {
      if (!loopback.test(clientAddress)) {
        response.writeHead(403, { 'content-type': 'text/plain; charset=UTF-8' });
        response.end(`traffic is shown only to clients on this machine, and ${clientAddress} is none: use xebec tap\n`);
        return;
      }
      response.writeHead(200, {
        'content-type': 'application/x-ndjson',
        'cache-control': 'no-cache, max-age=0',
        'x-content-type-options': 'nosniff',
      });
      const sink = new GatheredLines(response, state.clock);
      const forget = taps.open(value, sink);
      const gone = (): void => {
        forget();
        sink.drop();
      };
      response.once('close', gone);
      response.once('error', gone);
      // Asked of the workers after the tap was: their answer says that they know it.
      void state.refreshHosts().then(() => {
        if (!response.writableEnded)
          sink.write(`${JSON.stringify({ tap_started: { max_rps: value.maxRps, duration_ms: value.durationMs } })}\n`);
      });
    },
  };
}

const gatherMs = 20;

/** Lines of some milliseconds in one write: a write for each would cost the proxy more than the event itself. */
class GatheredLines implements TapSink {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  #lines = '';
  #cancel: (() => void) | undefined;

  constructor(response: ServerResponse, clock: Clock) {
    this.#response = response;
    this.#clock = clock;
  }
  get waitingBytes(): number {
    return this.#response.writableLength + this.#lines.length;
  }
  write(text: string): void {
    this.#lines += text;
    this.#cancel ??= this.#clock.setTimeout(() => this.#flush(), gatherMs);
  }
  end(): void {
    this.#flush();
    this.#response.end();
  }
  drop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#lines = '';
  }
  #flush(): void {
    const lines = this.#lines;
    this.drop();
    if (lines !== '' && !this.#response.destroyed) this.#response.write(lines);
  }
}
