import { rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { XebecError } from '@xebec/core';
import { type SocketOption, SocketOption_SocketState as SocketState } from '@xebec/protos/envoy/config/core/v3/socket_option';
import { addressText, type EndpointAddress } from '../net/endpoint-address.ts';
import { errorName, openSocketCalls, type SocketCalls } from './socket-calls.ts';

/** What a listener wants of its socket (envoy.config.listener.v3.Listener). */
export interface SocketRequest {
  readonly address: EndpointAddress;
  /** Other sockets may be bound to the same address, so that each worker has one. */
  readonly reusePort: boolean;
  /** Takes connections to addresses that are not this machine's (TPROXY). */
  readonly transparent: boolean;
  /** Binds to an address that this machine does not have yet. */
  readonly freebind: boolean;
  /** `::` takes IPv4 too. */
  readonly ipv4Compat: boolean;
  readonly options: readonly SocketOption[];
}

/** What `net.Server.listen` takes; plain data, so that it can be made in one thread and used in another. */
export type ListenTarget =
  | { readonly kind: 'fd'; readonly fd: number }
  | { readonly kind: 'address'; readonly address: EndpointAddress; readonly reusePort: boolean };

/** A bound socket that is not listened on yet. */
export interface BoundSocket {
  /** With the port that 0 became; undefined when only listening will tell. */
  readonly address: EndpointAddress | undefined;
  /** To be listened on; who listens owns it. Each call gives another handle of the same socket. */
  target(): ListenTarget;
  /** Gives up this thread's hold. */
  close(): void;
}

/** Opens and binds a socket; throws XebecError `E_LISTEN`. */
export type SocketOpener = (request: SocketRequest, where: string) => BoundSocket;

// Linux: asm-generic/socket.h, linux/in.h, linux/in6.h, bits/socket.h.
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOL_IP = 0;
const SOL_SOCKET = 1;
const SOL_IPV6 = 41;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IP_FREEBIND = 15;
const IP_TRANSPARENT = 19;
const IPV6_V6ONLY = 26;
const IPV6_TRANSPARENT = 75;
const IPV6_FREEBIND = 78;
const maxPipePathBytes = 107;

/** Binds by system calls, so that options can be set before; where those are missing node:net binds when it listens. */
export const openSocket: SocketOpener = (request, where) => {
  const calls = openSocketCalls();
  const { address } = request;
  if (typeof calls !== 'string' && (address.kind === 'pipe' || isIP(address.address) !== 0)) return bindSocket(calls, request, where);
  if (request.transparent || request.freebind || request.options.length > 0) {
    const why = typeof calls === 'string' ? calls : `"${addressText(address)}" is not an IP address`;
    throw new XebecError('E_LISTEN', `${where}: transparent, freebind and socket_options cannot be honoured: ${why}`);
  }
  return {
    address: address.kind === 'tcp' && address.port === 0 ? undefined : address,
    target: () => ({ kind: 'address', address, reusePort: request.reusePort }),
    close: () => undefined,
  };
};

function bindSocket(calls: SocketCalls, request: SocketRequest, where: string): BoundSocket {
  const { address } = request;
  const family = address.kind === 'pipe' ? AF_UNIX : isIP(address.address) === 6 ? AF_INET6 : AF_INET;
  const fd = calls.socket(family);
  const fail = (what: string, result: number): XebecError => {
    if (fd >= 0) calls.close(fd);
    return new XebecError('E_LISTEN', `${where}: cannot ${what} ${addressText(address)}: ${errorName(result)}`);
  };
  if (fd < 0) throw fail('open a socket for', fd);
  for (const [level, name, value] of optionsBeforeBind(family, request)) {
    const result = calls.setOption(fd, level, name, value);
    if (result < 0) throw fail(`set socket option ${level}/${name} on`, result);
  }
  if (address.kind === 'pipe') rmSync(address.path, { force: true });
  const result = calls.bind(fd, sockaddr(calls, family, address, where));
  if (result < 0) throw fail('bind', result);
  for (const option of request.options) {
    if (option.state === SocketState.STATE_PREBIND) continue;
    const set = calls.setOption(fd, Number(option.level), Number(option.name), optionValue(option));
    if (set < 0) throw fail(`set socket option ${option.level}/${option.name} on`, set);
  }
  return {
    address: address.kind === 'pipe' ? address : { ...address, port: calls.localAddress(fd).readUInt16BE(2) },
    target() {
      const copy = calls.duplicate(fd);
      if (copy < 0)
        throw new XebecError('E_LISTEN', `${where}: cannot duplicate the socket of ${addressText(address)}: ${errorName(copy)}`);
      return { kind: 'fd', fd: copy };
    },
    close: () => calls.close(fd),
  };
}

type Option = readonly [level: number, name: number, value: Uint8Array];

function optionsBeforeBind(family: number, request: SocketRequest): Option[] {
  const options: Option[] = [];
  if (family !== AF_UNIX) {
    options.push([SOL_SOCKET, SO_REUSEADDR, int(1)]);
    if (request.reusePort) options.push([SOL_SOCKET, SO_REUSEPORT, int(1)]);
  }
  const six = family === AF_INET6;
  if (six) options.push([SOL_IPV6, IPV6_V6ONLY, int(request.ipv4Compat ? 0 : 1)]);
  if (request.transparent) options.push(six ? [SOL_IPV6, IPV6_TRANSPARENT, int(1)] : [SOL_IP, IP_TRANSPARENT, int(1)]);
  if (request.freebind) options.push(six ? [SOL_IPV6, IPV6_FREEBIND, int(1)] : [SOL_IP, IP_FREEBIND, int(1)]);
  for (const option of request.options) {
    if (option.state === SocketState.STATE_PREBIND) options.push([Number(option.level), Number(option.name), optionValue(option)]);
  }
  return options;
}

function optionValue(option: SocketOption): Uint8Array {
  return option.value.case === 'bufValue' ? option.value.value : int(Number(option.value.value ?? 0n));
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** `struct sockaddr_in`, `sockaddr_in6` or `sockaddr_un`. */
function sockaddr(calls: SocketCalls, family: number, address: EndpointAddress, where: string): Buffer {
  if (address.kind === 'pipe') {
    const path = Buffer.from(address.path);
    if (path.length > maxPipePathBytes) throw new XebecError('E_LISTEN', `${where}: path of ${path.length} bytes is too long for a socket`);
    // A leading @ is Linux's abstract namespace, as in Envoy.
    if (path[0] === 0x40) path[0] = 0;
    const bytes = Buffer.concat([Buffer.alloc(2), path, Buffer.alloc(path[0] === 0 ? 0 : 1)]);
    bytes.writeUInt16LE(AF_UNIX, 0);
    return bytes;
  }
  const host = calls.parseAddress(family, address.address);
  if (host === undefined) throw new XebecError('E_LISTEN', `${where}: malformed IP address: ${address.address}`);
  const bytes = Buffer.alloc(family === AF_INET ? 16 : 28);
  bytes.writeUInt16LE(family, 0);
  bytes.writeUInt16BE(address.port, 2);
  bytes.set(host, family === AF_INET ? 4 : 8);
  return bytes;
}
