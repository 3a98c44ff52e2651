import type { Host } from './host.ts';
import { type HostPicker, hashOf } from './host-picker.ts';
import { mersenneTwister } from './mersenne-twister.ts';
import type { WeightedHost } from './normalized-weights.ts';

/**
 * Consistent hashing with bounded loads (arXiv 1608.01350): a host whose active requests pass `factorPercent` of its share hands
 * over to another, which the same hash finds again in the same order.
 */
export function createBoundedLoadPicker<H extends Host>(
  inner: HostPicker<H>,
  weighted: readonly WeightedHost<H>[],
  factorPercent: number,
): HostPicker<H> {
  const weights = new Map(weighted.map(({ host, weight }) => [host, weight]));
  const overload = (host: H, active: number): number => {
    const slots = Math.floor(((active + 1) * factorPercent + 99) / 100);
    return host.activeRequests / Math.max(Math.ceil(slots * (weights.get(host) ?? 1)), 1);
  };
  return (context) => {
    const hash = hashOf(context);
    const first = inner({ ...context, hash });
    let active = 0;
    for (const { host } of weighted) active += host.activeRequests;
    let least = overload(first, active);
    if (least <= 1) return first;
    const next = mersenneTwister(Number(BigInt.asUintN(32, hash)));
    const order = weighted.map(({ host }) => host);
    let best = first;
    for (let i = 0; i < order.length; i++) {
      const at = i + below(next, order.length - i);
      const other = order[at] as H;
      order[at] = order[i] as H;
      order[i] = other;
      if (other === first) continue;
      const load = overload(other, active);
      if (load <= 1) return other;
      if (load < least) {
        least = load;
        best = other;
      }
    }
    return best;
  };
}

/** Uniform in [0, limit) from numbers of 32 bits. */
function below(next: () => number, limit: number): number {
  for (;;) {
    const value = Math.floor(next() / Math.floor(2 ** 32 / limit));
    if (value < limit) return value;
  }
}
