import { create, type DescMessage, type DescMethodUnary, type MessageInitShape, type MessageShape, toJson } from '@bufbuild/protobuf';
import { type Metadata, Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { createProtoRegistry } from '@xebec/protos/registry';
import { methodDefinition } from '@xebec/rpc';
import type { Peer } from '../harness/family.ts';

const registry = createProtoRegistry();

/** One call that a peer was asked: the message as protobuf JSON, and the metadata. */
export interface Asked {
  readonly message: unknown;
  readonly metadata: readonly (readonly [string, string])[];
}

/** What a peer answers: a message, an error by status code, or nothing at all. */
export type GrpcAnswer<O extends DescMessage> = MessageInitShape<O> | { readonly error: number } | 'hang';

/** A gRPC server with one unary method, which remembers what it was asked. */
export class GrpcPeer<I extends DescMessage, O extends DescMessage> {
  readonly #method: DescMethodUnary<I, O>;
  readonly #answer: (request: MessageShape<I>) => GrpcAnswer<O>;
  #asked: Asked[] = [];

  constructor(method: DescMethodUnary<I, O>, answer: (request: MessageShape<I>) => GrpcAnswer<O>) {
    this.#method = method;
    this.#answer = answer;
  }
  /** What it was asked since the last call. */
  take(): readonly Asked[] {
    const asked = this.#asked;
    this.#asked = [];
    return asked;
  }
  async start(): Promise<Peer> {
    const method = this.#method;
    const definition = methodDefinition(method);
    const server = new Server();
    const handle = (call: ServerUnaryCall<MessageShape<I>, MessageShape<O>>, callback: sendUnaryData<MessageShape<O>>): void => {
      const { request } = call;
      const message = toJson(method.input, request, { registry });
      this.#asked.push({ message, metadata: plainMetadata(call.metadata) });
      const answer = this.#answer(request);
      if (answer === 'hang') return;
      if (typeof answer === 'object' && 'error' in answer && typeof answer.error === 'number')
        callback({ code: answer.error, details: 'told to fail' });
      else callback(null, create(method.output, answer as MessageInitShape<O>)); // the other members were handled above
    };
    server.addService({ [method.localName]: definition } as never, { [method.localName]: handle } as never); // grpc-js has no types for built services
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    return { port, close: () => server.forceShutdown() };
  }
}

function plainMetadata(metadata: Metadata): readonly (readonly [string, string])[] {
  return Object.entries(metadata.getMap())
    .map(([name, value]) => [name, String(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
