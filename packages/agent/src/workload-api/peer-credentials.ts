import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { errorText } from '@xebec/core';

/** Who connected to a Unix socket, as the kernel noted it then. The process cannot change it. */
export interface PeerCredentials {
  /** In our process namespace; 0 for a process of another one. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Undefined when the kernel does not tell, such as for a socket that is closed by now. */
export type ReadPeerCredentials = (socket: Socket) => PeerCredentials | undefined;

// Linux: include/uapi/asm-generic/socket.h; struct ucred holds three 32-bit numbers.
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const UCRED_BYTES = 12;

/** Opens libc through node:ffi; an error text where this platform or this Node has no such thing. */
export function openPeerCredentials(): ReadPeerCredentials | string {
  let getsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array) => number;
  try {
    const ffi = createRequire(import.meta.url)('node:ffi') as { dlopen(path: string, definitions: object): { functions: unknown } };
    const { functions } = ffi.dlopen('libc.so.6', {
      getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
    });
    // The definition above is what makes the function: its type follows from it.
    ({ getsockopt } = functions as { getsockopt: typeof getsockopt });
  } catch (error) {
    return `peer credentials need Linux and node:ffi (Node 26 without --no-experimental-ffi): ${errorText(error)}`;
  }
  const value = Buffer.alloc(UCRED_BYTES);
  const length = Buffer.alloc(4);
  return (socket) => {
    const fd = descriptor(socket);
    if (fd === undefined) return undefined;
    length.writeUInt32LE(UCRED_BYTES);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length) !== 0) return undefined;
    return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
  };
}

/** The file descriptor that node:net keeps to itself. */
function descriptor(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, 'fd');
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
