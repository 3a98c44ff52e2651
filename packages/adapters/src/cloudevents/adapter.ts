import { ok } from '@xebec/core';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { Delivery, type DeliveryLimits, RefusedError } from '../delivery/delivery.ts';
import { post } from '../delivery/http-post.ts';
import { camelFields, enumValue, httpUrl, requestHeaders } from '../delivery/protobuf-fields.ts';
import { parseParams } from '../params.ts';
import { type CloudEvent, toEvent } from './event.ts';
import { type HttpMessage, toMessages } from './http-binding.ts';

const params = z.strictObject({
  url: httpUrl,
  mode: enumValue(['STRUCTURED', 'BINARY', 'BATCH']).default('STRUCTURED'),
  source: z.string().min(1, 'a URI reference is not empty').default('urn:xebec:mixer'),
  typePrefix: z.string().default('io.xebec.mixer.'),
  headers: requestHeaders.default({}),
});

const read = (raw: unknown) => parseParams(params, camelFields(raw, Object.keys(params.shape)));

/** Without batches each event is a request: fewer of them are on their way together. */
const SINGLE_BATCH = 20;
const LIMITS: DeliveryLimits = {
  maxEntries: 20_000,
  maxBytes: 32 * 1024 * 1024,
  batchEntries: 500,
  batchBytes: 1024 * 1024,
  intervalMs: 500,
  timeoutMs: 10_000,
  giveUpMs: 60_000,
};

interface Waiting {
  readonly event: CloudEvent;
}

/** Sends what is reported as CloudEvents over HTTP. An event that is sent again keeps its id. */
export const cloudevents: AdapterDefinition = {
  name: 'cloudevents',
  templates: ['logentry', 'metric', 'tracespan', 'edge'],
  check(raw) {
    const parsed = read(raw);
    return parsed.ok ? [] : parsed.error;
  },
  configure(raw, { clock, random, logger, delivery: events }) {
    const parsed = read(raw);
    if (!parsed.ok) return parsed;
    const { url, mode, source, typePrefix, headers } = parsed.value;
    const delivery = new Delivery<Waiting>({
      destination: `cloudevents ${url}`,
      limits: mode === 'BATCH' ? LIMITS : { ...LIMITS, batchEntries: SINGLE_BATCH },
      send: async (batch, signal) => {
        const messages = toMessages(
          batch.map(({ event }) => event),
          mode,
        );
        const one = async (message: HttpMessage): Promise<number> => {
          try {
            await post({ url, headers: { ...headers, ...message.headers }, body: message.body }, signal, clock);
            return 0;
          } catch (error) {
            if (error instanceof RefusedError && messages.length > 1) return 1;
            throw error;
          }
        };
        const refused = await Promise.all(messages.map(one));
        return refused.reduce((sum, count) => sum + count, 0);
      },
      events,
      clock,
      random,
      logger,
    });
    return ok({
      report: (instances) => {
        for (const instance of instances) {
          const event = toEvent(instance, { source, typePrefix, nowMs: clock.now(), random });
          // What the attributes around the data take is about the same for all.
          delivery.offer({ event }, 300 + JSON.stringify(event.data).length);
        }
      },
      close: () => delivery.close(),
    });
  },
};
