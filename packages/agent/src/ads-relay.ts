import { readFileSync, rmSync } from 'node:fs';
import {
  Client,
  type ClientDuplexStream,
  credentials,
  type handleBidiStreamingCall,
  Metadata,
  type MethodDefinition,
  Server,
  type ServerDuplexStream,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { errorText, type Logger } from '@xebec/core';
import { serverNameOption } from './ca-connection.ts';
import { channelCredentials } from './channel-credentials.ts';
import { listenOnSocket } from './sds-server.ts';

export interface AdsRelayOptions {
  readonly socketPath: string;
  /** `istio-pilot.istio-system.svc:15012`. */
  readonly pilotAddress: string;
  /** Name that the pilot's certificate must carry where `pilotAddress` is an IP address. */
  readonly serverName?: string;
  /** PEM roots of the pilot's certificate, read anew for each stream; undefined speaks plaintext. */
  readonly rootFile?: string;
  /** PEM roots beside those of the file: a new one is known to the trust store before the file has it. */
  readonly moreRoots?: () => readonly string[];
  /** Bearer token, read anew for each stream; undefined sends none. */
  readonly tokenFile?: string;
  readonly logger: Logger;
}

const SERVICE = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
/** A full state of 10,000 clusters stays under this. */
const MAX_MESSAGE_BYTES = 256 << 20;

const identity = (bytes: Buffer): Buffer => bytes;

function rawMethod(name: string): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/${SERVICE}/${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  };
}

/**
 * Relays ADS streams, SotW and Delta, from a Unix socket to the pilot without decoding them. Connects when the first stream comes.
 * When the pilot goes away the stream ends with UNAVAILABLE, and the data plane comes again by its own back-off.
 */
export async function createAdsRelay(options: AdsRelayOptions): Promise<{ close(): void; connected(): boolean }> {
  const { logger } = options;
  const limits = { 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES, 'grpc.max_send_message_length': MAX_MESSAGE_BYTES };
  const server = new Server(limits);
  let upstream: { client: Client; root: string } | undefined;
  let active = 0;
  let unreachable = false;

  const connect = (): Client => {
    const root =
      options.rootFile === undefined ? '' : `${readFileSync(options.rootFile, 'utf8')}\n${(options.moreRoots?.() ?? []).join('')}`;
    if (upstream?.root === root) return upstream.client;
    upstream?.client.close();
    const channel = options.rootFile === undefined ? credentials.createInsecure() : channelCredentials(Buffer.from(root));
    const client = new Client(options.pilotAddress, channel, {
      ...limits,
      ...serverNameOption(options.pilotAddress, options.serverName),
      'grpc.enable_retries': 0,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      // The data plane has its own back-off; a longer one here would only add to it.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
    });
    upstream = { client, root };
    return client;
  };

  const relay =
    (method: MethodDefinition<Buffer, Buffer>): handleBidiStreamingCall<Buffer, Buffer> =>
    (down) => {
      let up: ClientDuplexStream<Buffer, Buffer>;
      try {
        const metadata = new Metadata();
        if (options.tokenFile !== undefined) metadata.set('authorization', `Bearer ${readFileSync(options.tokenFile, 'utf8').trim()}`);
        up = connect().makeBidiStreamRequest(method.path, identity, identity, metadata);
      } catch (error) {
        end(down, { code: status.UNAVAILABLE, details: `the relay to the pilot is not ready: ${errorText(error)}` });
        return;
      }
      active++;
      up.on('data', () => {
        if (unreachable) logger.info({ pilot: options.pilotAddress }, 'the pilot answers again');
        unreachable = false;
      });
      pump(down, up);
      pump(up, down);
      let over = false;
      const finish = (failure?: { code: status; details: string }) => {
        if (over) return;
        over = true;
        active--;
        if (failure === undefined) down.end();
        else end(down, failure);
      };
      down.on('end', () => up.end());
      down.on('cancelled', () => {
        up.cancel();
        finish();
      });
      up.on('error', (error: ServiceError) => {
        if (!over && error.code !== status.CANCELLED) {
          if (!unreachable)
            logger.warn({ pilot: options.pilotAddress, code: error.code }, `the stream to the pilot broke: ${error.details}`);
          unreachable = true;
        }
        // A refusal of the pilot keeps its code; everything of the transport is UNAVAILABLE.
        const code = error.code === status.UNAUTHENTICATED || error.code === status.PERMISSION_DENIED ? error.code : status.UNAVAILABLE;
        finish({ code, details: error.details });
      });
      up.on('status', () => finish({ code: status.UNAVAILABLE, details: 'the pilot ended the stream' }));
    };

  const methods = {
    StreamAggregatedResources: rawMethod('StreamAggregatedResources'),
    DeltaAggregatedResources: rawMethod('DeltaAggregatedResources'),
  };
  server.addService(methods, {
    StreamAggregatedResources: relay(methods.StreamAggregatedResources),
    DeltaAggregatedResources: relay(methods.DeltaAggregatedResources),
  });
  await listenOnSocket(server, options.socketPath);
  return {
    connected: () => active > 0 && !unreachable,
    close() {
      server.forceShutdown();
      upstream?.client.close();
      rmSync(options.socketPath, { force: true });
    },
  };
}

type Duplex = ServerDuplexStream<Buffer, Buffer> | ClientDuplexStream<Buffer, Buffer>;

/** Copies messages one way and stops reading while the other side is full. */
function pump(from: Duplex, to: Duplex): void {
  from.on('data', (bytes: Buffer) => {
    if (to.writableEnded || to.destroyed) return;
    if (!to.write(bytes)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
}

function end(call: ServerDuplexStream<Buffer, Buffer>, failure: { code: status; details: string }): void {
  call.emit('error', failure);
}
