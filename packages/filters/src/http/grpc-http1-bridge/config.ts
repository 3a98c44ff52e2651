import { ConfigSchema } from '@xebec/protos/envoy/extensions/filters/http/grpc_http1_bridge/v3/config';
import { header, type ResponseHead, removeHeader, setHeader } from '@xebec/wire';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilter, HttpFilterCallbacks, HttpFilterDefinition } from '../../http-filter.ts';

const pass: HttpFilter = {};

/** Lets HTTP/1.1 clients without trailers call gRPC services: the answer is held back, its trailers become headers. */
export const grpcHttp1BridgeDefinition: HttpFilterDefinition = {
  name: 'envoy.filters.http.grpc_http1_bridge',
  typeNames: [ConfigSchema.typeName],
  compile(bytes) {
    const { upgradeProtobufToGrpc, ignoreQueryParameters } = decodeConfig(ConfigSchema, bytes);
    return {
      create(callbacks) {
        const type = header(callbacks.request.headers, 'content-type') ?? '';
        const upgrade = upgradeProtobufToGrpc && type === 'application/x-protobuf';
        if (!upgrade && type !== 'application/grpc' && !type.startsWith('application/grpc+')) return pass;
        return createFilter(callbacks, upgrade, ignoreQueryParameters);
      },
    };
  },
};

function createFilter(callbacks: HttpFilterCallbacks, upgrade: boolean, ignoreQuery: boolean): HttpFilter {
  const bridges = callbacks.request.version !== 'HTTP/2';
  let response: ResponseHead | undefined;
  let body = 0;
  let framed = false;
  let status: string | undefined;
  return {
    onRequestHead(head) {
      if (ignoreQuery && head.path.includes('?')) head.path = head.path.slice(0, head.path.indexOf('?'));
      if (upgrade) {
        setHeader(head.headers, 'content-type', 'application/grpc');
        const length = header(head.headers, 'content-length');
        if (length !== undefined && /^\d+$/.test(length)) setHeader(head.headers, 'content-length', String(Number(length) + 5));
      }
      return 'continue';
    },
    onRequestData(data) {
      if (!upgrade || framed) return 'continue';
      // The length of the whole message stands before it: the request says it, or it is all here.
      framed = true;
      const length = Number(header(callbacks.request.headers, 'content-length') ?? data.length + 5) - 5;
      const frame = Buffer.alloc(5);
      frame.writeUInt32BE(length, 1);
      return Buffer.concat([frame, data]);
    },
    onResponseHead(head, endStream) {
      status = header(head.headers, 'grpc-status');
      if (!bridges || callbacks.info.responseCodeDetails !== 'via_upstream') return 'continue';
      if (endStream) return 'continue';
      response = head;
      return 'stop';
    },
    onResponseData(data, endStream) {
      if (response === undefined) return 'continue';
      const drop = upgrade && body === 0 ? 5 : 0;
      const bytes = drop === 0 ? data : data.subarray(drop);
      body += bytes.length;
      if (endStream) return bytes;
      if (bytes.length > 0) callbacks.passResponseData(this, bytes, false);
      return 'taken';
    },
    onResponseTrailers(trailers) {
      status ??= header(trailers, 'grpc-status');
      if (response === undefined) return 'continue';
      const { headers } = response;
      if (status !== undefined) {
        if (status !== '0') response.status = 503;
        setHeader(headers, 'grpc-status', status);
      }
      const message = header(trailers, 'grpc-message');
      if (message !== undefined) setHeader(headers, 'grpc-message', message);
      setHeader(headers, 'content-length', String(body));
      if (upgrade) setHeader(headers, 'content-type', 'application/x-protobuf');
      removeHeader(headers, 'transfer-encoding');
      return 'continue';
    },
  };
}
