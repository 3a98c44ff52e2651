import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { errorText, type Logger } from '@xebec/core';
import { type AdmissionAnswer, type AdmissionRequest, parseReview, renderAnswer } from './admission.ts';

/** An object of 3 MiB is more than etcd takes: nothing larger is a real request. */
const MAX_BODY_BYTES = 4 << 20;

export type Admit = (request: AdmissionRequest) => AdmissionAnswer | Promise<AdmissionAnswer>;

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** `POST /validate`, `POST /inject` (and paths below them) over HTTPS; each takes and returns an AdmissionReview. */
export function createWebhookServer(tls: ServerOptions, handlers: Readonly<Record<string, Admit>>, logger: Logger): Server {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const end = (status: number, body: string, type = 'text/plain') => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
      response.end(body);
    };
    const path = (request.url ?? '/').split('?')[0]?.split('/')[1] ?? '';
    const admit = handlers[path];
    if (admit === undefined) return end(404, `no such webhook: /${path}\n`);
    if (request.method !== 'POST') return end(405, 'POST an AdmissionReview\n');
    const body = await readBody(request);
    if (body === undefined) return end(413, `the body is larger than ${MAX_BODY_BYTES} bytes\n`);
    const review = parseReview(body);
    if (review === undefined) return end(400, 'the body is no AdmissionReview\n');
    end(200, renderAnswer(review, await admit(review.request)), 'application/json');
  };
  return createServer(tls, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      logger.error({ url: request.url }, `webhook failed: ${errorText(error)}`);
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
      response.end(`${errorText(error)}\n`);
    });
  });
}
