/** For fuzz targets: the lines of an input, each with its end. */
export function splitLines(input: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; at < input.length; ) {
    const end = input.indexOf(0x0a, at);
    const next = end === -1 ? input.length : end + 1;
    lines.push(input.subarray(at, next));
    at = next;
  }
  return lines;
}
