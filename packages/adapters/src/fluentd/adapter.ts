import { ok, type Random } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { Delivery } from '../delivery/delivery.ts';
import { bigintField, goDuration, logValue, mapField, textField, wireName } from '../delivery/instance-fields.ts';
import { camelFields, hostPort, wholeNumber } from '../delivery/protobuf-fields.ts';
import { milliseconds, parseParams } from '../params.ts';
import { ForwardConnection } from './forward-connection.ts';
import { encodeEvent, encodeForward } from './forward-message.ts';

const MEGABYTE = 1024 * 1024;
const DEFAULTS = { address: { host: 'localhost', port: 24224 }, bufferSize: 1024, batchBytes: 8 * MEGABYTE, ms: 60_000 };

const params = z.strictObject({
  address: hostPort.optional(),
  integerDuration: z.boolean().optional(),
  /** Entries that may wait while a batch is on its way; so many make a batch too. 0: the default. */
  instanceBufferSize: wholeNumber(0, 10_000_000).optional(),
  maxBatchSizeBytes: wholeNumber(0, 1024 * MEGABYTE).optional(),
  pushIntervalDuration: milliseconds.optional(),
  pushTimeoutDuration: milliseconds.optional(),
  /** Not of release 1.4: a batch counts as delivered when fluentd says so. */
  requireAck: z.boolean().optional(),
});

const read = (raw: unknown) => parseParams(params, camelFields(raw, Object.keys(params.shape)));

interface Event {
  readonly tag: string;
  readonly bytes: Uint8Array;
}

/** Sends log entries to fluentd or Fluent Bit by the forward protocol; the tag is the variable `tag`, or the instance's name. */
export const fluentd: AdapterDefinition = {
  name: 'fluentd',
  templates: ['logentry'],
  check(raw) {
    const parsed = read(raw);
    return parsed.ok ? [] : parsed.error;
  },
  configure(raw, { clock, random, logger, delivery: events }) {
    const parsed = read(raw);
    if (!parsed.ok) return parsed;
    const { integerDuration = false, requireAck = false, ...given } = parsed.value;
    const address = given.address ?? DEFAULTS.address;
    const bufferSize = given.instanceBufferSize || DEFAULTS.bufferSize;
    const batchBytes = given.maxBatchSizeBytes || DEFAULTS.batchBytes;
    const timeoutMs = given.pushTimeoutDuration || DEFAULTS.ms;
    const connection = new ForwardConnection(address);
    const delivery = new Delivery<Event>({
      destination: `fluentd ${address.host}:${address.port}`,
      limits: {
        maxEntries: 2 * bufferSize,
        maxBytes: 2 * batchBytes,
        batchEntries: bufferSize,
        batchBytes,
        intervalMs: given.pushIntervalDuration || DEFAULTS.ms,
        timeoutMs,
        giveUpMs: timeoutMs,
      },
      send: async (batch, signal) => {
        for (const [tag, entries] of Map.groupBy(batch, (event) => event.tag)) {
          const chunk = requireAck ? chunkId(random) : undefined;
          const bytes = entries.map((event) => event.bytes);
          await connection.send(encodeForward(tag, bytes, chunk), chunk, signal);
        }
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
          const { tag, record } = toRecord(instance, integerDuration);
          const timeNs = bigintField(instance.fields, 'timestamp') ?? BigInt(Math.floor(clock.now())) * 1_000_000n;
          const bytes = encodeEvent(timeNs, record);
          // One that is larger than a batch is not sent at all, and counted: fluentd would break the connection.
          if (bytes.length > batchBytes) events.dropped(1);
          else delivery.offer({ tag, bytes }, bytes.length);
        }
      },
      close: async () => {
        await delivery.close();
        connection.close();
      },
    });
  },
};

/** The variables, with `severity`; when one of them is the tag it is taken out and `name` says which instance it was. */
function toRecord(instance: InstanceValue, integerDuration: boolean): { tag: string; record: Record<string, unknown> } {
  const { fields } = instance;
  const variables = mapField(fields, 'variables');
  const record: Record<string, unknown> = {};
  for (const [key, value] of variables) record[key] = recordValue(value, integerDuration);
  record['severity'] = textField(fields, 'severity') ?? '';
  const own = variables.get('tag');
  if (own === undefined) return { tag: wireName(instance), record };
  delete record['tag'];
  record['name'] = wireName(instance);
  return { tag: String(own.value), record };
}

function recordValue(typed: TypedValue, integerDuration: boolean): unknown {
  const { type, value } = typed;
  if (typeof value !== 'bigint') return logValue(typed);
  if (type === 'INT64') return BigInt.asIntN(64, value);
  if (type === 'DURATION') return integerDuration ? value / 1_000_000n : goDuration(value);
  return logValue(typed);
}

/** 128 random bits; they need be unique among what is on its way, no more. */
function chunkId(random: Random): string {
  const bytes = Buffer.from(Array.from({ length: 16 }, () => Math.floor(random.next() * 256)));
  return bytes.toString('base64');
}
