import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { errorText } from '@xebec/core';

/** Where a redirected connection was going before iptables REDIRECT changed it. */
export interface OriginalDestination {
  readonly address: string;
  readonly port: number;
}

/** Looks at a socket below node:net; the methods answer undefined when the system cannot tell. */
export interface SocketInspector {
  originalDestination(socket: Socket): OriginalDestination | undefined;
  /** Whether the peer has closed (or sent something) although no event has told so yet; false when unknown. */
  hasInput(socket: Socket): boolean;
}

// Linux: include/uapi/linux/netfilter_ipv4.h, netfilter_ipv6/ip6_tables.h, bits/socket.h.
const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;
const MSG_PEEK = 2;
const MSG_DONTWAIT = 0x40;
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

interface LibC {
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array): number;
  recv(fd: number, buffer: Uint8Array, length: bigint, flags: number): bigint;
}

/** Opens libc through node:ffi; an error text where this platform or this Node has no such thing. */
export function openSocketInspector(): SocketInspector | string {
  let libc: LibC;
  try {
    const ffi = createRequire(import.meta.url)('node:ffi') as {
      dlopen(path: string, definitions: object): { functions: unknown };
    };
    const { functions } = ffi.dlopen('libc.so.6', {
      getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
      recv: { arguments: ['i32', 'buffer', 'u64', 'i32'], return: 'i64' },
    });
    // The definitions above are what make the functions: their types follow from them.
    libc = functions as LibC;
  } catch (error) {
    return `original destinations need Linux and node:ffi (Node 26 without --no-experimental-ffi): ${errorText(error)}`;
  }
  const value = Buffer.alloc(SOCKADDR_IN6_BYTES);
  const length = Buffer.alloc(4);
  const byte = Buffer.alloc(1);
  const ask = (fd: number, level: number, bytes: number): boolean => {
    length.writeUInt32LE(bytes);
    return libc.getsockopt(fd, level, SO_ORIGINAL_DST, value, length) === 0;
  };
  return {
    originalDestination(socket) {
      const fd = descriptor(socket);
      if (fd === undefined) return undefined;
      if (ask(fd, SOL_IP, SOCKADDR_IN_BYTES)) {
        return { address: `${value[4]}.${value[5]}.${value[6]}.${value[7]}`, port: value.readUInt16BE(2) };
      }
      if (!ask(fd, SOL_IPV6, SOCKADDR_IN6_BYTES)) return undefined;
      const groups = Array.from({ length: 8 }, (_, i) => value.readUInt16BE(8 + 2 * i).toString(16));
      return { address: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1), port: value.readUInt16BE(2) };
    },
    hasInput(socket) {
      const fd = descriptor(socket);
      if (fd === undefined) return false;
      // -1 is EAGAIN: nothing there, the connection lives. 0 is the peer's FIN.
      return Number(libc.recv(fd, byte, 1n, MSG_PEEK | MSG_DONTWAIT)) >= 0;
    },
  };
}

/** The file descriptor that node:net keeps to itself. */
function descriptor(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, 'fd');
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
