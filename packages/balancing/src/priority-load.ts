/** What one priority has: hosts, or their weights where those count. Excluded hosts are in none. */
export interface PriorityHealth {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
  /** All hosts, excluded ones too: how load spreads when every priority is in panic. `total` unless given. */
  readonly all?: number;
  /** Percent of hosts, not weights, that are healthy or degraded; from the numbers above unless given. */
  readonly availablePercent?: number;
}

export interface PriorityLoad {
  /** Percent of the load for the healthy hosts of each priority, and for the degraded; together 100. */
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
  /** Priorities that balance over all their hosts because too few are healthy. */
  readonly panic: readonly boolean[];
}

/**
 * How load spreads over priorities (Envoy: "Priority levels", "Panic threshold", "Degraded endpoints"). A level takes all it can
 * while `overprovisioning` percent (140) of its healthy share reaches 100; the rest spills to the next. `skipped` priorities get
 * nothing, unless nothing else is available.
 */
export function priorityLoad(
  levels: readonly PriorityHealth[],
  panicPercent: number,
  overprovisioning = 140,
  skipped?: ReadonlySet<number>,
): PriorityLoad {
  const share = (part: number, { total }: PriorityHealth, level: number) =>
    total === 0 || skipped?.has(level) === true ? 0 : Math.min(100, Math.floor((overprovisioning * part) / total));
  const healthyShare = levels.map((level, i) => share(level.healthy, level, i));
  const degradedShare = levels.map((level, i) => share(level.degraded, level, i));
  const available = Math.min(100, sum(healthyShare) + sum(degradedShare));
  if (available === 0 && skipped !== undefined && skipped.size > 0) return priorityLoad(levels, panicPercent, overprovisioning);
  const none = levels.map(() => 0);
  const firstOnly = levels.map((_level, i) => (i === 0 ? 100 : 0));
  if (available === 0 && panicPercent === 0) return { healthy: firstOnly, degraded: none, panic: levels.map(() => false) };
  // No panic anywhere while the levels together can take everything.
  const panic = levels.map((level) => available < 100 && availablePercent(level) < panicPercent);
  if (panic.every((inPanic) => inPanic)) {
    const hosts = sum(levels.map(allOf));
    if (hosts === 0) return { healthy: firstOnly, degraded: none, panic };
    const healthy = levels.map((level) => Math.floor((100 * allOf(level)) / hosts));
    giveRest(healthy, 100 - sum(healthy));
    return { healthy, degraded: none, panic };
  }
  let left = 100;
  const take = (part: number) => {
    const taken = Math.min(left, Math.floor((part * 100) / available));
    left -= taken;
    return taken;
  };
  const healthy = healthyShare.map(take);
  const degraded = degradedShare.map(take);
  giveRest(healthy.some((load) => load > 0) ? healthy : degraded, left);
  return { healthy, degraded, panic };
}

function allOf(level: PriorityHealth): number {
  return level.all ?? level.total;
}

function availablePercent(level: PriorityHealth): number {
  return level.availablePercent ?? (level.total === 0 ? 0 : (100 * (level.healthy + level.degraded)) / level.total);
}

/** What rounding lost goes to the first that has any. */
function giveRest(loads: number[], rest: number): void {
  const first = loads.findIndex((load) => load > 0);
  if (first >= 0) loads[first] = (loads[first] ?? 0) + rest;
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
