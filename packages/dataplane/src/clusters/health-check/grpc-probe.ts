import { encodeGrpcFrame, GrpcFrameReader, header, type RequestHead } from '@xebec/wire';
import { ExchangeConnection, type ExchangeResponse } from './exchange.ts';
import type { ProbeConfig } from './health-check-config.ts';
import { addHeaders } from './http-probe.ts';
import { failed, type Probe, type ProbeConnect, type ProbeTarget, succeeded } from './probe.ts';

const maxAnswerBytes = 64 * 1024;
const serving = 1;

/** Asks `grpc.health.v1.Health/Check` (github.com/grpc/grpc/blob/master/doc/health-checking.md). */
export function createGrpcProbe(
  config: Extract<ProbeConfig, { kind: 'GRPC' }>,
  target: ProbeTarget,
  connect: ProbeConnect,
  reuse: boolean,
  timeoutMs: number,
): Probe {
  const connection = new ExchangeConnection(connect, 'http2', maxAnswerBytes);
  const authority = [target.hostname, config.authority, target.clusterName].find((name) => name !== '') ?? '';
  const request = encodeGrpcFrame(encodeHealthRequest(config.serviceName));
  let running: object | undefined;
  return {
    run(done) {
      const run = {};
      running = run;
      const headers = ['te', 'trailers', 'content-type', 'application/grpc', 'user-agent', 'Envoy/HC', 'grpc-timeout', `${timeoutMs}m`];
      addHeaders(headers, config.headers);
      const head: RequestHead = {
        method: 'POST',
        path: '/grpc.health.v1.Health/Check',
        authority,
        scheme: 'http',
        headers,
        version: 'HTTP/2',
      };
      connection.send(head, request, (response) => {
        if (running !== run) return;
        running = undefined;
        if (!reuse || response === undefined) connection.close();
        if (response === undefined) done(failed('NETWORK'));
        else done(isServing(response) ? succeeded : failed('ACTIVE'));
      });
    },
    abort() {
      running = undefined;
      connection.close();
    },
  };
}

/** `HealthCheckRequest { string service = 1; }`. */
function encodeHealthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  if (name.length === 0) return Buffer.alloc(0);
  const length: number[] = [];
  for (let left = name.length; ; left >>>= 7) {
    length.push(left > 127 ? (left & 127) | 128 : left);
    if (left <= 127) break;
  }
  return Buffer.concat([Buffer.from([0x0a, ...length]), name]);
}

/** `HealthCheckResponse { ServingStatus status = 1; }`, with gRPC status OK. */
function isServing({ head, body, trailers }: ExchangeResponse): boolean {
  if (head.status !== 200 || (header(trailers, 'grpc-status') ?? header(head.headers, 'grpc-status')) !== '0') return false;
  try {
    const frame = [...new GrpcFrameReader(maxAnswerBytes).push(body)][0];
    return frame?.message[0] === 0x08 && frame.message[1] === serving;
  } catch {
    return false;
  }
}
