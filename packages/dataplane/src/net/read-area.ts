const areaBytes = 65_536;
const cachedViews = 2048;

/** Where every direct byte stream of this thread reads to: bytes are looked at, and written on, before the next read. */
export const readArea: Buffer = Buffer.allocUnsafeSlow(areaBytes);

const views: (Buffer | undefined)[] = [];

/** The first `length` bytes of the read area; sizes repeat, so small views are kept. */
export function readView(length: number): Buffer {
  if (length >= cachedViews) return readArea.subarray(0, length);
  let view = views[length];
  if (view === undefined) {
    view = readArea.subarray(0, length);
    views[length] = view;
  }
  return view;
}

/** The same bytes where no read will change them: a copy when they lie in the read area. */
export function keptBytes(bytes: Buffer): Buffer {
  return bytes.buffer === readArea.buffer ? Buffer.from(bytes) : bytes;
}
