import type { DataplaneState } from '../dataplane-state.ts';
import { parseTapRequest, tapLimits } from '../tap/tap-request.ts';
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
      const forget = taps.open(value, {
        get waitingBytes() {
          return response.writableLength;
        },
        write: (text) => void response.write(text),
        end: () => void response.end(),
      });
      response.once('close', forget);
      response.once('error', forget);
      // Asked of the workers after the tap was: their answer says that they know it.
      void state.refreshHosts().then(() => {
        if (!response.writableEnded)
          response.write(`${JSON.stringify({ tap_started: { max_rps: value.maxRps, duration_ms: value.durationMs } })}\n`);
      });
    },
  };
}
