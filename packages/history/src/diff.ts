import { stringify } from 'yaml';
import { type ContentChange, manifestOf, type StoredObject } from './content.ts';

const CONTEXT = 3;
/** Above this many differing lines the search for the shortest edit is given up: all old lines go, all new ones come. */
const MAX_EDITS = 1_000;

/** A content as YAML, fields in the order users write them; empty metadata is left out. */
export function toYaml(content: StoredObject): string {
  const { metadata, ...rest } = manifestOf(content);
  const { labels, annotations, ...names } = metadata;
  const { apiVersion, kind, ...body } = rest;
  return stringify(
    {
      apiVersion,
      kind,
      metadata: {
        ...names,
        ...(Object.keys(labels).length === 0 ? {} : { labels }),
        ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      },
      ...body,
    },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}

/** Changes as one unified diff of YAML, in order of namespace, kind and name. Empty when there are none. */
export function diffChanges(changes: readonly ContentChange[]): string {
  return [...changes]
    .sort((a, b) => (titleOf(a) < titleOf(b) ? -1 : 1))
    .map((change) => {
      const title = titleOf(change);
      const before = change.before === undefined ? '' : toYaml(change.before);
      const after = change.after === undefined ? '' : toYaml(change.after);
      const hunks = unifiedDiff(before, after);
      if (hunks === '') return '';
      return `--- ${change.before === undefined ? '/dev/null' : `a/${title}`}\n+++ ${change.after === undefined ? '/dev/null' : `b/${title}`}\n${hunks}`;
    })
    .join('');
}

function titleOf({ before, after }: ContentChange): string {
  const content = after ?? before;
  if (content === undefined) return '';
  const { namespace, name } = content.metadata;
  return `${namespace === '' ? '' : `${namespace}/`}${content.kind}/${name}`;
}

type Edit = { readonly type: ' ' | '-' | '+'; readonly line: string };

/** Hunks of a unified diff with three lines around each change, without the file header; empty when the texts are equal. */
export function unifiedDiff(before: string, after: string): string {
  const edits = shortestEdits(linesOf(before), linesOf(after));
  let out = '';
  let oldLine = 1;
  let newLine = 1;
  for (let index = 0; index < edits.length; ) {
    if (edits[index]?.type === ' ') {
      oldLine++;
      newLine++;
      index++;
      continue;
    }
    const start = Math.max(0, index - CONTEXT);
    let end = index;
    // Changes with fewer than twice the context between them share a hunk.
    for (let quiet = 0, at = index; at < edits.length && quiet <= CONTEXT * 2; at++) {
      quiet = edits[at]?.type === ' ' ? quiet + 1 : 0;
      if (quiet === 0) end = at + 1;
    }
    end = Math.min(edits.length, end + CONTEXT);
    const hunk = edits.slice(start, end);
    const lead = index - start;
    const olds = hunk.filter(({ type }) => type !== '+').length;
    const news = hunk.filter(({ type }) => type !== '-').length;
    out += `@@ -${range(oldLine - lead, olds)} +${range(newLine - lead, news)} @@\n`;
    for (const { type, line } of hunk) out += `${type}${line}\n`;
    for (const { type } of edits.slice(index, end)) {
      if (type !== '+') oldLine++;
      if (type !== '-') newLine++;
    }
    index = end;
  }
  return out;
}

function range(start: number, count: number): string {
  // Of an empty side the line before counts, as in GNU diff.
  return `${count === 0 ? start - 1 : start}${count === 1 ? '' : `,${count}`}`;
}

function linesOf(text: string): string[] {
  if (text === '') return [];
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
}

/** Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), after equal ends are cut off. */
function shortestEdits(a: readonly string[], b: readonly string[]): Edit[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const middle = myers(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  const same = (line: string): Edit => ({ type: ' ', line });
  return [...a.slice(0, head).map(same), ...middle, ...a.slice(a.length - tail).map(same)];
}

function myers(a: readonly string[], b: readonly string[]): Edit[] {
  const replaced = (): Edit[] => [...a.map((line): Edit => ({ type: '-', line })), ...b.map((line): Edit => ({ type: '+', line }))];
  if (a.length === 0 || b.length === 0) return replaced();
  const limit = Math.min(a.length + b.length, MAX_EDITS);
  const furthest = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let edits = 0; edits <= limit; edits++) {
    trace.push(new Map(furthest));
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && (furthest.get(k - 1) ?? 0) < (furthest.get(k + 1) ?? 0));
      let x = down ? (furthest.get(k + 1) ?? 0) : (furthest.get(k - 1) ?? 0) + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x++;
        y++;
      }
      furthest.set(k, x);
      if (x >= a.length && y >= b.length) return walkBack(a, b, trace);
    }
  }
  return replaced();
}

function walkBack(a: readonly string[], b: readonly string[], trace: readonly Map<number, number>[]): Edit[] {
  const edits: Edit[] = [];
  let x = a.length;
  let y = b.length;
  for (let depth = trace.length - 1; depth >= 0; depth--) {
    const reached = trace[depth] ?? new Map<number, number>();
    const k = x - y;
    const down = k === -depth || (k !== depth && (reached.get(k - 1) ?? 0) < (reached.get(k + 1) ?? 0));
    const previousK = down ? k + 1 : k - 1;
    const previousX = depth === 0 ? 0 : (reached.get(previousK) ?? 0);
    const previousY = depth === 0 ? 0 : previousX - previousK;
    while (x > previousX && y > previousY) {
      edits.push({ type: ' ', line: a[--x] ?? '' });
      y--;
    }
    if (depth === 0) break;
    if (down) edits.push({ type: '+', line: b[--y] ?? '' });
    else edits.push({ type: '-', line: a[--x] ?? '' });
  }
  return edits.reverse();
}
