import { create, toBinary } from '@bufbuild/protobuf';
import { type AttributeBag, type AttributeValue, encodeAttributes, globalDictionary, globalWordIndexes } from '@xebec/expressions';
import { CompressedAttributesSchema } from '@xebec/protos/istio/mixer/v1/attributes';
import { CheckRequestSchema, ReportRequestSchema } from '@xebec/protos/istio/mixer/v1/mixer';

const text = (value: string): AttributeValue => ({ form: 'string', value });
const int64 = (value: number): AttributeValue => ({ form: 'int64', value: BigInt(value) });
const labels = (entries: Record<string, string>): AttributeValue => ({ form: 'stringMap', value: new Map(Object.entries(entries)) });

/** What release 1.4's inbound proxy says of one HTTP request. */
export function requestBag(i: number): AttributeBag {
  const [source, destination] = [`client-${i % 5}`, `service-${i % 7}`];
  return new Map<string, AttributeValue>([
    ['source.uid', text(`kubernetes://${source}-7f9c.default`)],
    ['source.principal', text(`cluster.local/ns/default/sa/${source}`)],
    ['source.namespace', text('default')],
    ['source.workload.name', text(source)],
    ['source.workload.namespace', text('default')],
    ['source.labels', labels({ app: source, version: 'v1', 'pod-template-hash': '7f9c' })],
    ['destination.uid', text(`kubernetes://${destination}-5d8b.default`)],
    ['destination.principal', text(`cluster.local/ns/default/sa/${destination}`)],
    ['destination.namespace', text('default')],
    ['destination.workload.name', text(destination)],
    ['destination.workload.namespace', text('default')],
    ['destination.labels', labels({ app: destination, version: `v${1 + (i % 3)}`, 'pod-template-hash': '5d8b' })],
    ['destination.service.host', text(`${destination}.default.svc.cluster.local`)],
    ['destination.service.name', text(destination)],
    ['destination.service.namespace', text('default')],
    ['destination.ip', { form: 'bytes', value: Uint8Array.of(10, 1, 0, i % 7) }],
    ['destination.port', int64(9080)],
    ['context.protocol', text('http')],
    ['context.reporter.kind', text('inbound')],
    ['context.reporter.uid', text(`kubernetes://${destination}-5d8b.default`)],
    ['context.proxy_error_code', text('-')],
    ['connection.mtls', { form: 'bool', value: true }],
    ['request.headers', labels({ ':method': 'GET', ':path': `/items/${i}`, 'x-request-id': `3f2a9c1e-7b1d-4c55-9d0a-0000000${1000 + i}` })],
    ['request.host', text(`${destination}:9080`)],
    ['request.path', text(`/items/${i}`)],
    ['request.method', text('GET')],
    ['request.scheme', text('http')],
    ['request.useragent', text('Go-http-client/1.1')],
    ['request.time', { form: 'timestamp', value: 1_790_000_000_000_000_000n + BigInt(i) * 1_000_003n }],
    ['request.size', int64(i * 10)],
    ['request.total_size', int64(i * 10 + 500)],
    ['response.time', { form: 'timestamp', value: 1_790_000_000_004_000_000n + BigInt(i) * 1_000_003n }],
    ['response.duration', { form: 'duration', value: BigInt(1_000_000 + i * 10_007) }],
    ['response.code', int64(i % 20 === 0 ? 503 : 200)],
    ['response.size', int64(1_000 + i)],
    ['response.total_size', int64(1_200 + i)],
  ]);
}

/** A gRPC message (five bytes of head, then protobuf) that reports so many requests, with words of the report's own as proxies send it. */
export function framedReport(count: number): Buffer {
  const words: string[] = [];
  const indexes = new Map(globalWordIndexes);
  const attributes = Array.from({ length: count }, (_, i) => {
    const own = encodeAttributes(requestBag(i), indexes);
    // What is new to the batch goes to the words that all its bags share.
    for (const word of own.words) {
      words.push(word);
      indexes.set(word, -words.length);
    }
    const message = encodeAttributes(requestBag(i), indexes);
    return create(CompressedAttributesSchema, { ...message, words: [] });
  });
  const report = { attributes, defaultWords: words, globalWordCount: globalDictionary.length, repeatedAttributesSemantics: 1 };
  return framed(toBinary(ReportRequestSchema, create(ReportRequestSchema, report)));
}

export function framedCheck(): Buffer {
  const attributes = encodeAttributes(requestBag(3), globalWordIndexes);
  const check = { attributes, globalWordCount: globalDictionary.length, deduplicationId: '3f2a9c1e-7b1d-4c55-9d0a-000000000001' };
  return framed(toBinary(CheckRequestSchema, create(CheckRequestSchema, check)));
}

function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
