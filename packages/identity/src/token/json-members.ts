/**
 * Whether an object in a JSON text, at any depth, has a member twice. Readers differ in which of the two they take, so that a token may
 * say one thing to its verifier and another to whoever uses it (RFC 7519 4, RFC 8259 4). The text must have passed `JSON.parse`.
 */
export function hasRepeatedMember(text: string): boolean {
  /** Per open bracket: the names seen in an object, undefined in an array. */
  const open: (Set<string> | undefined)[] = [];
  let nameIsNext = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      const end = endOfString(text, i);
      if (nameIsNext) {
        const names = open.at(-1);
        // Escapes count as what they stand for.
        const name: unknown = JSON.parse(text.slice(i, end));
        if (names !== undefined && typeof name === 'string') {
          if (names.has(name)) return true;
          names.add(name);
        }
        nameIsNext = false;
      }
      i = end - 1;
    } else if (char === '{') {
      open.push(new Set());
      nameIsNext = true;
    } else if (char === '[') {
      open.push(undefined);
      nameIsNext = false;
    } else if (char === '}' || char === ']') {
      open.pop();
      nameIsNext = false;
    } else if (char === ',') nameIsNext = open.at(-1) !== undefined;
  }
  return false;
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}
