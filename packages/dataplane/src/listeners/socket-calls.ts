import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';
import { errorText } from '@xebec/core';

/** System calls on sockets that node:net does not offer; a negative answer is minus the error number. */
export interface SocketCalls {
  /** A stream socket, close-on-exec and non-blocking. */
  socket(family: number): number;
  bind(fd: number, address: Uint8Array): number;
  listen(fd: number, backlog: number): number;
  setOption(fd: number, level: number, name: number, value: Uint8Array): number;
  /** The bound address as `sockaddr`; empty when the system does not say. */
  localAddress(fd: number): Buffer;
  duplicate(fd: number): number;
  close(fd: number): void;
  /** An address in network order; undefined when `text` is none of this family. */
  parseAddress(family: number, text: string): Buffer | undefined;
}

interface LibC {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  fcntl(fd: number, command: number, argument: number): number;
  close(fd: number): number;
  inet_pton(family: number, text: Uint8Array, address: Uint8Array): number;
  __errno_location(): bigint;
}

// Linux: bits/socket_type.h, asm-generic/fcntl.h.
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const maxSockaddrBytes = 128;

let opened: SocketCalls | string | undefined;

/** Opens libc through node:ffi, once per thread; an error text where this platform or this Node has no such thing. */
export function openSocketCalls(): SocketCalls | string {
  opened ??= open();
  return opened;
}

function open(): SocketCalls | string {
  if (process.platform !== 'linux') return 'socket options need Linux';
  let libc: LibC;
  let readInt: (pointer: bigint) => number;
  try {
    const ffi = createRequire(import.meta.url)('node:ffi') as {
      dlopen(path: string, definitions: object): { functions: unknown };
      getInt32(pointer: bigint): number;
    };
    const { functions } = ffi.dlopen('libc.so.6', {
      socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
      bind: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
      listen: { arguments: ['i32', 'i32'], return: 'i32' },
      setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'], return: 'i32' },
      getsockname: { arguments: ['i32', 'buffer', 'buffer'], return: 'i32' },
      fcntl: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
      close: { arguments: ['i32'], return: 'i32' },
      inet_pton: { arguments: ['i32', 'buffer', 'buffer'], return: 'i32' },
      __errno_location: { arguments: [], return: 'pointer' },
    });
    // The definitions above are what make the functions: their types follow from them.
    libc = functions as LibC;
    readInt = ffi.getInt32;
  } catch (error) {
    return `socket options need node:ffi (Node 26 without --no-experimental-ffi): ${errorText(error)}`;
  }
  const errno = libc.__errno_location();
  const checked = (result: number): number => (result < 0 ? -readInt(errno) : result);
  return {
    socket: (family) => checked(libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
    bind: (fd, address) => checked(libc.bind(fd, address, address.length)),
    listen: (fd, backlog) => checked(libc.listen(fd, backlog)),
    setOption: (fd, level, name, value) => checked(libc.setsockopt(fd, level, name, value, value.length)),
    localAddress(fd) {
      const address = Buffer.alloc(maxSockaddrBytes);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(maxSockaddrBytes);
      return libc.getsockname(fd, address, length) < 0 ? Buffer.alloc(0) : address.subarray(0, length.readUInt32LE());
    },
    duplicate: (fd) => checked(libc.fcntl(fd, F_DUPFD_CLOEXEC, 3)),
    close: (fd) => void libc.close(fd),
    parseAddress(family, text) {
      const address = Buffer.alloc(family === 2 ? 4 : 16);
      return libc.inet_pton(family, Buffer.from(`${text}\0`), address) === 1 ? address : undefined;
    },
  };
}

/** The name of the error in a negative answer: `EADDRINUSE`. */
export function errorName(result: number): string {
  return getSystemErrorName(result);
}
