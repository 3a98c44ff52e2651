import { parseClientHello } from './client-hello.ts';
import { GrpcFrameReader } from './grpc-frames.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import { createHttp1ClientConnection } from './http1/client-connection.ts';
import { createHttp1ServerConnection } from './http1/server-connection.ts';
import { createHttp2ClientConnection } from './http2/client-connection.ts';
import { createHttp2ServerConnection } from './http2/server-connection.ts';
import { RecordingOutput, recordingHandler } from './recording.ts';
import { sniffProtocol } from './sniff-protocol.ts';

/** Feeds `data` to every parser, whole and in two pieces; throws only on a bug. */
export function fuzz(data: Buffer): void {
  sniffProtocol(data);
  parseClientHello(data);
  new GrpcFrameReader(1024).push(data);
  new HpackDecoder().decode(data, 65_536, 100);
  const { handler } = recordingHandler((stream) => stream.sendHead({ status: 200, headers: [] }, true));
  const half = data.length >> 1;
  for (const create of [createHttp1ServerConnection, createHttp2ServerConnection]) {
    const connection = create(new RecordingOutput(), handler);
    connection.receive(data.subarray(0, half));
    connection.receive(data.subarray(half));
    connection.closed('end');
  }
  for (const create of [createHttp1ClientConnection, createHttp2ClientConnection]) {
    const connection = create(new RecordingOutput());
    const stream = connection.openStream({ onHead() {}, onData() {}, onTrailers() {}, onReset() {}, onDrain() {} });
    stream?.sendHead({ method: 'GET', path: '/', authority: 'a', scheme: 'http', headers: [], version: 'HTTP/1.1' }, true);
    connection.receive(data.subarray(0, half));
    connection.receive(data.subarray(half));
    connection.closed('end');
  }
}
