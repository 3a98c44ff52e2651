import type { ShareHolder } from './quota-store.ts';
import type { Taking, WindowLength } from './taking.ts';

/** Who asks beyond this many in one window has no pool of its own in the next, but borrows like everyone. */
export const MAX_SHARE_NODES = 10_000;

/**
 * One window of a limit that is divided along a tree (tenant, user, …). Nodes are named by their path, `tenant/user`; the root is ''.
 *
 * The rule: when a window starts, the limit flows down from the root. A node divides what it gets among its children that asked in the
 * window before: each gets what it asked, or, where that is more than is there, an equal part (in proportion to weights), and what one
 * child does not need is divided among the others in the same way. What all children together did not need stays in the node's own
 * pool. A request takes from its own pool first, then from the pools of its ancestors, the nearest first.
 *
 * Hence: a window never admits more than the limit; who asked for `d` in the window before has at least the smaller of `d` and its
 * share waiting, whatever others do; nothing is kept back for those who did not ask; a newcomer takes what nobody reserved, and has
 * its share from the next window on.
 */
export interface FairShareWindow {
  endsAt: number;
  /** Nodes that have asked in this window, with what they and those below them asked. */
  asked: Map<string, number>;
  weights: Map<string, number>;
  pools: Map<string, number>;
  /** What those who asked have got. */
  taken: Map<string, number>;
}

export function emptyFairShare(): FairShareWindow {
  return { endsAt: Number.NEGATIVE_INFINITY, asked: new Map(), weights: new Map(), pools: new Map(), taken: new Map() };
}

export function takeFairShare(
  window: FairShareWindow,
  { maxAmount, length }: WindowLength,
  holders: readonly ShareHolder[],
  { now, amount, bestEffort }: Taking,
): number {
  if (now >= window.endsAt || window.endsAt - now > length) start(window, maxAmount, length, now);
  const path = paths(holders);
  const leaf = path.at(-1) ?? '';
  if (amount < 0) {
    const taken = window.taken.get(leaf) ?? 0;
    const given = Math.min(-amount, taken);
    window.taken.set(leaf, taken - given);
    add(window.pools, leaf, given);
    return given;
  }
  note(window, path, holders, amount);
  const pools = ['', ...path];
  const left = pools.reduce((sum, node) => sum + (window.pools.get(node) ?? 0), 0);
  const granted = amount <= left ? amount : bestEffort ? left : 0;
  let missing = granted;
  for (const node of pools.reverse()) {
    const part = Math.min(missing, window.pools.get(node) ?? 0);
    if (part > 0) add(window.pools, node, -part);
    missing -= part;
  }
  if (granted > 0) add(window.taken, leaf, granted);
  return granted;
}

function start(window: FairShareWindow, maxAmount: number, length: number, now: number): void {
  // What was asked before a pause says nothing about now.
  const asked = now - window.endsAt < length ? window.asked : new Map<string, number>();
  const pools = new Map<string, number>();
  const children = Map.groupBy(asked.keys(), (node) => node.slice(0, Math.max(0, node.lastIndexOf('/'))));
  const divide = (node: string, amount: number): void => {
    const shares = divideFairly(
      amount,
      (children.get(node) ?? []).map((name) => ({ name, asked: asked.get(name) ?? 0, weight: window.weights.get(name) ?? 1 })),
    );
    let left = amount;
    for (const [child, share] of shares) {
      left -= share;
      divide(child, share);
    }
    if (left > 0) pools.set(node, left);
  };
  divide('', maxAmount);
  window.endsAt = now + length;
  window.pools = pools;
  window.asked = new Map();
  window.weights = new Map();
  window.taken = new Map();
}

/** Max-min fair division in whole units: nobody gets more than asked, nor less than its weight's part while others get more than theirs. */
export function divideFairly(
  amount: number,
  claims: readonly { readonly name: string; readonly asked: number; readonly weight: number }[],
): ReadonlyMap<string, number> {
  const byNeed = claims.toSorted((a, b) => a.asked * b.weight - b.asked * a.weight || (a.name < b.name ? -1 : 1));
  let left = amount;
  let weightLeft = claims.reduce((sum, { weight }) => sum + weight, 0);
  const shares = new Map<string, number>();
  for (const { name, asked, weight } of byNeed) {
    const share = Math.min(asked, Math.floor((left * weight) / weightLeft));
    shares.set(name, share);
    left -= share;
    weightLeft -= weight;
  }
  return shares;
}

function paths(holders: readonly ShareHolder[]): string[] {
  let path = '';
  return holders.map(({ name }) => {
    path = path === '' ? name : `${path}/${name}`;
    return path;
  });
}

function note(window: FairShareWindow, path: readonly string[], holders: readonly ShareHolder[], amount: number): void {
  for (const [i, node] of path.entries()) {
    if (!window.asked.has(node)) {
      if (window.asked.size >= MAX_SHARE_NODES) return;
      window.weights.set(node, holders[i]?.weight ?? 1);
    }
    add(window.asked, node, amount);
  }
}

function add(counts: Map<string, number>, key: string, amount: number): void {
  counts.set(key, (counts.get(key) ?? 0) + amount);
}
