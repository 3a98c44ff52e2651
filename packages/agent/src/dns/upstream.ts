import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '@xebec/core';

export interface UpstreamOptions {
  readonly servers: readonly { readonly address: string; readonly port: number }[];
  /** For one server. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

const maxReplyBytes = 65_535;

/** Asks the upstream resolvers, one after the other, the way the client asked; undefined when none answers in time. */
export async function askUpstream(message: Buffer, overUdp: boolean, options: UpstreamOptions): Promise<Buffer | undefined> {
  for (const server of options.servers) {
    const reply = await (overUdp ? askUdp : askTcp)(message, server, options);
    if (reply !== undefined) return reply;
  }
  return undefined;
}

type Server = UpstreamOptions['servers'][number];

/** Over a socket of its own with a port that nobody can guess; only an answer to this very question counts. */
function askUdp(message: Buffer, server: Server, { timeoutMs, clock }: UpstreamOptions): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
    let done = false;
    const finish = (reply: Buffer | undefined): void => {
      if (done) return;
      done = true;
      cancel();
      socket.close();
      resolve(reply);
    };
    const cancel = clock.setTimeout(() => finish(undefined), timeoutMs);
    socket.once('error', () => finish(undefined));
    socket.on('message', (reply) => {
      if (answers(reply, message)) finish(reply);
    });
    // Connected, so that datagrams of others do not come in and a dead port is known at once.
    socket.connect(server.port, server.address, (error?: Error) => {
      if (done) return;
      if (error !== undefined) finish(undefined);
      else socket.send(message, (failure) => (failure === null ? undefined : finish(undefined)));
    });
  });
}

function askTcp(message: Buffer, server: Server, { timeoutMs, clock }: UpstreamOptions): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: server.address, port: server.port });
    let bytes = Buffer.alloc(0);
    const finish = (reply: Buffer | undefined): void => {
      cancel();
      socket.destroy();
      resolve(reply);
    };
    const cancel = clock.setTimeout(() => finish(undefined), timeoutMs);
    socket.once('error', () => finish(undefined));
    socket.once('close', () => finish(undefined));
    socket.once('connect', () => socket.write(framed(message)));
    socket.on('data', (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      if (bytes.length < 2) return;
      const length = bytes.readUInt16BE(0);
      if (bytes.length - 2 < length) return;
      const reply = bytes.subarray(2, 2 + length);
      finish(answers(reply, message) && length <= maxReplyBytes ? reply : undefined);
    });
  });
}

/** Same identifier, and a response. */
function answers(reply: Buffer, message: Buffer): boolean {
  return reply.length >= 12 && (reply.readUInt8(2) & 0x80) !== 0 && reply.readUInt16BE(0) === message.readUInt16BE(0);
}

/** A message on TCP comes with its length (RFC 1035 section 4.2.2). */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
