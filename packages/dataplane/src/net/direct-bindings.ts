import type { Socket } from 'node:net';

/** A write that did not finish at once; `oncomplete` is called when it has, with a negative status when it failed. */
export interface WriteRequest {
  oncomplete: ((status: number) => void) | undefined;
  /** Keeps the bytes alive until then. */
  buffer: Uint8Array | undefined;
}

/** The native half of a socket (node's StreamBase). Methods return 0 or a negative libuv error. */
export interface StreamHandle {
  onread: (this: StreamHandle, arrayBuffer: ArrayBuffer | undefined) => unknown;
  /** Whether node:net believes that it reads. */
  reading: boolean;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  writeLatin1String(request: WriteRequest, text: string): number;
}

/** What node:net uses below its streams and keeps to itself. */
export interface DirectBindings {
  readonly WriteWrap: new () => WriteRequest;
  /** Results of the last native call, by the indexes below. */
  readonly state: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
  handleOf(socket: Socket): StreamHandle | undefined;
}

let known: DirectBindings | null | undefined;

/** The private parts, all of them or none: null when this Node has no such thing, or has it no more. */
export function directBindings(): DirectBindings | null {
  if (known === undefined) known = find();
  return known;
}

function find(): DirectBindings | null {
  try {
    // Deprecated in the documentation (DEP0111) for as long as nothing public does the same.
    const binding: unknown = Reflect.get(process, 'binding');
    if (typeof binding !== 'function') return null;
    const parts: unknown = binding.call(process, 'stream_wrap');
    if (typeof parts !== 'object' || parts === null) return null;
    const { WriteWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = parts as Record<string, unknown>;
    if (typeof WriteWrap !== 'function' || !(streamBaseState instanceof Int32Array)) return null;
    if (typeof kReadBytesOrError !== 'number' || typeof kLastWriteWasAsync !== 'number') return null;
    return {
      // A native class: there is nothing at run time that says what its instances are.
      WriteWrap: WriteWrap as new () => WriteRequest,
      state: streamBaseState,
      kReadBytesOrError,
      kLastWriteWasAsync,
      handleOf,
    };
  } catch {
    return null;
  }
}

const methods = ['readStart', 'readStop', 'useUserBuffer', 'writeBuffer', 'writeLatin1String'];

function handleOf(socket: Socket): StreamHandle | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return undefined;
  for (const method of methods) if (typeof Reflect.get(handle, method) !== 'function') return undefined;
  if (typeof Reflect.get(handle, 'onread') !== 'function') return undefined;
  // All that is used of it was looked for above.
  return handle as StreamHandle;
}
