import type { Random } from '@xebec/core';

/** Identifiers of checks: a start drawn at random and a count, so that no two checks of any proxy have the same. */
export function deduplicationIds(random: Random): () => string {
  let start = '';
  for (let i = 0; i < 4; i++)
    start += Math.floor(random.next() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  let count = 0;
  return () => `${start}${count++}`;
}
