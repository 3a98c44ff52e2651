import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { type AttributeBag, type AttributeValue, encodeAttributes, parseIp } from '@xebec/expressions';
import { Mixer, ReportRequestSchema } from '@xebec/protos/istio/mixer/v1/mixer';
import { methodDefinition } from '@xebec/rpc';
import { eventually, freePort, startDaemon } from '../src/daemon-process.ts';

/** A real Mixer with this configuration and a client that reports to it. */
export async function startMixer(configuration: string, env: NodeJS.ProcessEnv = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-mixer-telemetry-'));
  await writeFile(join(directory, 'policy.yaml'), configuration);
  const [grpc, http, prometheus] = [await freePort(), await freePort(), await freePort()];
  const daemon = startDaemon(
    'mixer',
    [
      ...['--config-dir', directory, '--grpc-addr', `127.0.0.1:${grpc}`],
      ...['--http-addr', `127.0.0.1:${http}`, '--prometheus-addr', `127.0.0.1:${prometheus}`],
    ],
    env,
  );
  const page = async (path: string) => (await fetch(`http://127.0.0.1:${http}${path}`)).text();
  await eventually('Mixer is ready', async () => ((await fetch(`http://127.0.0.1:${http}/ready`)).ok ? true : undefined), 60_000);
  const problems = (JSON.parse(await page('/debug/configz')) as { problems: string[] }).problems;
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const client = new Client(`127.0.0.1:${grpc}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = methodDefinition(Mixer.method.report);
  return {
    grpc,
    daemon,
    page,
    /** What the prometheus adapter has made. */
    metrics: async () => (await fetch(`http://127.0.0.1:${prometheus}/metrics`)).text(),
    /** Resident memory in bytes. */
    memory: async () => Number(/^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${daemon.child.pid}/status`, 'utf8'))?.[1]) * 1024,
    /** The value of a counter of Mixer's own; 0 when it is not there yet. */
    counter: async (name: string, labels: string): Promise<number> => {
      const line = (await page('/metrics')).split('\n').find((text) => text.startsWith(`${name}{${labels}`));
      return Number(line?.split(' ').at(-1) ?? 0);
    },
    report: (bags: readonly AttributeBag[]) => {
      const attributes = bags.map((bag) => encodeAttributes(bag));
      const request = create(ReportRequestSchema, { attributes, repeatedAttributesSemantics: 1 });
      return new Promise<void>((resolve, reject) =>
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error) =>
          error === null ? resolve() : reject(error),
        ),
      );
    },
    stop: async () => {
      client.close();
      await daemon.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export const text = (value: string): AttributeValue => ({ form: 'string', value });
const NS = 1_000_000n;

/** A call of reviews by productpage, as the called proxy reports it. */
export function reviewsCall(over: Record<string, AttributeValue> = {}): AttributeBag {
  const startNs = 1_790_000_000_000n * NS;
  return new Map<string, AttributeValue>([
    ['context.protocol', text('http')],
    ['context.reporter.kind', text('inbound')],
    ['source.workload.name', text('productpage-v1')],
    ['source.workload.namespace', text('default')],
    ['source.ip', { form: 'bytes', value: parseIp('10.0.0.1') ?? new Uint8Array() }],
    ['destination.workload.name', text('reviews-v1')],
    ['destination.workload.namespace', text('default')],
    ['destination.ip', { form: 'bytes', value: parseIp('10.0.0.7') ?? new Uint8Array() }],
    ['destination.service.host', text('reviews.default.svc.cluster.local')],
    ['request.method', text('GET')],
    ['request.path', text('/reviews/0?user="x" ü')],
    ['request.size', { form: 'int64', value: 0n }],
    ['request.time', { form: 'timestamp', value: startNs }],
    ['response.time', { form: 'timestamp', value: startNs + 60n * NS + 848_000n }],
    ['response.duration', { form: 'duration', value: 60n * NS + 848_000n }],
    ['response.code', { form: 'int64', value: 503n }],
    ['response.size', { form: 'int64', value: 375n }],
    ['connection.mtls', { form: 'bool', value: true }],
    [
      'request.headers',
      {
        form: 'stringMap',
        value: new Map([
          ['x-b3-traceid', '0af7651916cd43dd8448eb211c80319c'],
          ['x-b3-spanid', 'b7ad6b7169203331'],
          ['x-b3-parentspanid', '00f067aa0ba902b7'],
        ]),
      },
    ],
    ...Object.entries(over),
  ]);
}
