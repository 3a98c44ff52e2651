import { createSocket, type Socket } from 'node:dgram';
import { err, errorText, ok, type Result, type Violation } from '@xebec/core';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { Delivery } from '../delivery/delivery.ts';
import { mapField, qualifiedName, valueField, wireName } from '../delivery/instance-fields.ts';
import { camelFields, enumValue, type HostPort, hostPort, probability, wholeNumber } from '../delivery/protobuf-fields.ts';
import { milliseconds, parseParams } from '../params.ts';
import { type StatsdType, statsdLines, statsdName } from './lines.ts';
import { compileNameTemplate, type NameTemplate } from './name-template.ts';

const metricInfo = z.strictObject({
  type: enumValue(['UNKNOWN', 'COUNTER', 'GAUGE', 'DISTRIBUTION']).optional(),
  nameTemplate: z.string().optional(),
});

const params = z.strictObject({
  address: hostPort.optional(),
  prefix: z.string().max(256).default(''),
  flushDuration: milliseconds.default(300),
  /** Bytes of a datagram; 0: the default. */
  flushBytes: wholeNumber(0, 65_507).default(0),
  samplingRate: probability.default(1),
  metrics: z.record(z.string(), metricInfo).default({}),
});

const DEFAULT_FLUSH_BYTES = 512;
const SECOND = 1_000;

interface Metric {
  readonly type: StatsdType;
  readonly template: NameTemplate | undefined;
}

function read(raw: unknown): Result<z.output<typeof params> & { readonly compiled: ReadonlyMap<string, Metric> }> {
  const named = camelFields(raw, Object.keys(params.shape));
  const metrics = typeof named === 'object' && named !== null && 'metrics' in named ? named.metrics : undefined;
  const inner =
    typeof metrics === 'object' && metrics !== null && !Array.isArray(metrics)
      ? Object.fromEntries(Object.entries(metrics).map(([key, info]) => [key, camelFields(info, ['nameTemplate'])]))
      : metrics;
  const parsed = parseParams(params, inner === undefined ? named : { ...(named as object), metrics: inner }); // an object, it has metrics
  if (!parsed.ok) return parsed;
  const compiled = new Map<string, Metric>();
  const violations: Violation[] = [];
  for (const [name, { type = 'UNKNOWN', nameTemplate = '' }] of Object.entries(parsed.value.metrics)) {
    const path = `spec.params.metrics["${name}"]`;
    if (type === 'UNKNOWN') violations.push({ path: `${path}.type`, message: 'required field is missing: COUNTER, GAUGE or DISTRIBUTION' });
    const template = nameTemplate === '' ? undefined : compileNameTemplate(nameTemplate);
    if (template?.ok === false) violations.push({ path: `${path}.nameTemplate`, message: `"${nameTemplate}" ${template.error}` });
    else compiled.set(name, { type, template: template?.value });
  }
  return violations.length > 0 ? err(violations) : ok({ ...parsed.value, compiled });
}

/** Sends the metrics that its params name to a statsd server, by UDP. */
export const statsd: AdapterDefinition = {
  name: 'statsd',
  templates: ['metric'],
  check(raw) {
    const parsed = read(raw);
    return parsed.ok ? [] : parsed.error;
  },
  configure(raw, { namespace, clock, random, logger, delivery: events }) {
    const parsed = read(raw);
    if (!parsed.ok) return parsed;
    const { prefix, samplingRate, flushDuration } = parsed.value;
    const address = parsed.value.address ?? { host: 'localhost', port: 8125 };
    const flushBytes = parsed.value.flushBytes || DEFAULT_FLUSH_BYTES;
    const metrics = new Map([...parsed.value.compiled].map(([name, metric]) => [qualifiedName(name, namespace), metric]));
    const datagrams = new DatagramSender(address);
    const delivery = new Delivery<string>({
      destination: `statsd ${address.host}:${address.port}`,
      limits: {
        maxEntries: 100_000,
        maxBytes: 8 * 1024 * 1024,
        batchEntries: flushBytes,
        // The newline after the last line is not sent.
        batchBytes: flushBytes + 1,
        intervalMs: flushDuration,
        timeoutMs: 5 * SECOND,
        // A datagram's receiver says nothing: what fails is the name of the host, or the own network.
        giveUpMs: 10 * SECOND,
      },
      send: async (lines) => {
        await datagrams.send(lines.join('\n'));
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
          const { name, fields } = instance;
          const metric = metrics.get(name);
          const value = valueField(fields);
          if (metric === undefined || value === undefined) continue;
          if (samplingRate < 1 && random.next() >= samplingRate) continue;
          const own = metric.template?.(mapField(fields, 'dimensions')) ?? wireName(instance);
          for (const line of statsdLines(statsdName(prefix, own), metric.type, value, samplingRate) ?? []) {
            delivery.offer(line, Buffer.byteLength(line) + 1);
          }
        }
      },
      close: async () => {
        await delivery.close();
        datagrams.close();
      },
    });
  },
};

/** A UDP socket to one address, opened when there is something to send. */
class DatagramSender {
  readonly #address: HostPort;
  #socket: Promise<Socket> | undefined;

  constructor(address: HostPort) {
    this.#address = address;
  }
  async send(payload: string): Promise<void> {
    this.#socket ??= this.#open();
    try {
      const socket = await this.#socket;
      await new Promise<void>((resolve, reject) => socket.send(payload, (error) => (error === null ? resolve() : reject(error))));
    } catch (error) {
      this.close();
      // ECONNREFUSED tells of the datagram before this one: it is lost, and so is this one perhaps, as is usual with UDP.
      throw new Error(errorText(error), { cause: error });
    }
  }
  close(): void {
    void this.#socket?.then((socket) => socket.close()).catch(() => undefined);
    this.#socket = undefined;
  }

  #open(): Promise<Socket> {
    const { host, port } = this.#address;
    return new Promise((resolve, reject) => {
      const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4' });
      socket.on('error', (error) => {
        reject(error);
        // Later errors (the other end refuses) close it for the next send to open anew.
        if (this.#socket !== undefined) this.close();
      });
      socket.connect(port, host, () => resolve(socket));
    });
  }
}
