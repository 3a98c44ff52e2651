import { isIPv4 } from 'node:net';
import { ok } from '@xebec/core';
import { formatValue } from '@xebec/expressions';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { Delivery, type DeliveryLimits } from '../delivery/delivery.ts';
import { post } from '../delivery/http-post.ts';
import { camelFields, httpUrl, probability, requestHeaders } from '../delivery/protobuf-fields.ts';
import { hasFailed, isSampled, type ReportedSpan, readSpan, type SpanEnd } from '../delivery/span.ts';
import { parseParams } from '../params.ts';

const params = z.strictObject({
  url: httpUrl,
  /** Share of traces that are sent; as in release 1.4 none are until this is set. */
  sampleProbability: probability.default(0),
  /** Not of release 1.4. */
  headers: requestHeaders.default({}),
});

const read = (raw: unknown) => parseParams(params, camelFields(raw, Object.keys(params.shape)));

const LIMITS: DeliveryLimits = {
  maxEntries: 20_000,
  maxBytes: 32 * 1024 * 1024,
  batchEntries: 500,
  batchBytes: 1024 * 1024,
  intervalMs: 1_000,
  timeoutMs: 10_000,
  giveUpMs: 60_000,
};

/** Sends spans to Zipkin's API (v2, JSON). */
export const zipkin: AdapterDefinition = {
  name: 'zipkin',
  templates: ['tracespan'],
  check(raw) {
    const parsed = read(raw);
    return parsed.ok ? [] : parsed.error;
  },
  configure(raw, { clock, random, logger, delivery: events }) {
    const parsed = read(raw);
    if (!parsed.ok) return parsed;
    const { sampleProbability } = parsed.value;
    const url = spansUrl(parsed.value.url);
    const headers = { ...parsed.value.headers, 'content-type': 'application/json' };
    if (sampleProbability === 0) logger.warn({}, 'sampleProbability is 0: no span is sent');
    const delivery = new Delivery<string>({
      destination: `zipkin ${url}`,
      limits: LIMITS,
      send: async (spans, signal) => {
        await post({ url, headers, body: `[${spans.join(',')}]` }, signal, clock);
        return 0;
      },
      events,
      clock,
      random,
      logger,
    });
    return ok({
      report: (instances) => {
        for (const instance of instances) {
          if (sampleProbability === 0) continue;
          const span = readSpan(instance, random);
          if (span === undefined) events.dropped(1);
          else if (isSampled(span.traceId, sampleProbability)) {
            const json = JSON.stringify(toZipkin(span));
            delivery.offer(json, json.length);
          }
        }
      },
      close: () => delivery.close(),
    });
  },
};

/** Release 1.4 wants the whole URL; an address alone gets Zipkin's own path. */
function spansUrl(text: string): string {
  const url = new URL(text);
  if (url.pathname === '/') url.pathname = '/api/v2/spans';
  return url.href;
}

/** A span as Zipkin's API v2 has it; absent fields are left out by JSON. */
function toZipkin(span: ReportedSpan): Record<string, unknown> {
  const tags: Record<string, string> = Object.fromEntries([...span.tags].map(([key, value]) => [key, formatValue(value)]));
  if (span.httpStatus > 0) tags['http.status_code'] ??= String(span.httpStatus);
  if (hasFailed(span)) tags['error'] ??= String(span.httpStatus);
  if (span.requestBytes !== undefined) tags['request.size'] ??= String(span.requestBytes);
  if (span.responseBytes !== undefined) tags['response.size'] ??= String(span.responseBytes);
  const startMicros = span.startNs / 1000n;
  return {
    traceId: span.traceId,
    id: span.id,
    parentId: span.parentId,
    name: span.name,
    kind: span.kind,
    timestamp: Number(startMicros),
    // Zipkin takes 0 for "unknown".
    duration: Math.max(1, Number(span.endNs / 1000n - startMicros)),
    shared: span.shared ? true : undefined,
    localEndpoint: endpoint(span.local, 'default'),
    remoteEndpoint: endpoint(span.remote, undefined),
    tags,
  };
}

function endpoint({ name, ip }: SpanEnd, otherwise: string | undefined): Record<string, string> | undefined {
  const serviceName = name ?? otherwise;
  if (serviceName === undefined && ip === undefined) return undefined;
  return {
    ...(serviceName === undefined ? {} : { serviceName }),
    ...(ip === undefined ? {} : { [isIPv4(ip) ? 'ipv4' : 'ipv6']: ip }),
  };
}
