import { create } from '@bufbuild/protobuf';
import type { ServerReadableStream, sendUnaryData } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import {
  AccessLogService,
  type StreamAccessLogsMessage,
  type StreamAccessLogsResponse,
  StreamAccessLogsResponseSchema,
} from '@xebec/protos/envoy/service/accesslog/v3/als';
import { serviceDefinition } from '@xebec/rpc';
import { Counter } from 'prom-client';
import type { MixerService, ServiceContext } from '../services.ts';
import { httpAttributes, isFinal, tcpAttributes } from './entry-attributes.ts';
import { type Reporter, readReporter } from './reporter.ts';

/**
 * `envoy.service.accesslog.v3.AccessLogService`: what an Envoy logs goes through the rules of Report, as if it had reported itself.
 * A stream is read no faster than its entries are dispatched.
 */
export function accessLogService({ dispatcher, registry, logger }: ServiceContext): MixerService {
  const entries = new Counter({
    name: 'mixer_access_log_entries_total',
    help: 'Entries that proxies sent to the access log service.',
    labelNames: ['kind'],
    registers: [registry],
  });
  const read = async (stream: ServerReadableStream<StreamAccessLogsMessage, StreamAccessLogsResponse>): Promise<void> => {
    let reporter: Reporter = readReporter(undefined, '');
    for await (const message of stream as AsyncIterable<StreamAccessLogsMessage>) {
      // Only the first message of a stream has to say who sends it.
      const { identifier, logEntries } = message;
      if (identifier !== undefined) reporter = readReporter(identifier.node, identifier.logName);
      if (logEntries.case === undefined) continue;
      const bags =
        logEntries.case === 'httpLogs'
          ? logEntries.value.logEntry.filter(isFinal).map((entry) => httpAttributes(entry, reporter))
          : logEntries.value.logEntry.map((entry) => tcpAttributes(entry, reporter));
      entries.inc({ kind: logEntries.case === 'httpLogs' ? 'http' : 'tcp' }, bags.length);
      await dispatcher.report(bags);
    }
  };
  const StreamAccessLogs = (
    stream: ServerReadableStream<StreamAccessLogsMessage, StreamAccessLogsResponse>,
    callback: sendUnaryData<StreamAccessLogsResponse>,
  ): void => {
    read(stream).then(
      () => callback(null, create(StreamAccessLogsResponseSchema)),
      // Proxies come and go; there is nobody left to answer.
      (error: unknown) => logger.debug({}, `an access log stream ended: ${errorText(error)}`),
    );
  };
  return { definition: serviceDefinition(AccessLogService), implementation: { StreamAccessLogs } };
}
