export interface PriorityHealth {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
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
 * while `overprovisioning` percent (140) of its healthy share reaches 100; the rest spills to the next.
 */
export function priorityLoad(levels: readonly PriorityHealth[], panicPercent: number, overprovisioning = 140): PriorityLoad {
  const share = (part: number, total: number) => (total === 0 ? 0 : Math.min(100, Math.floor((overprovisioning * part) / total)));
  const healthyShare = levels.map((level) => share(level.healthy, level.total));
  const degradedShare = levels.map((level) => share(level.degraded, level.total));
  const available = Math.min(100, sum(healthyShare) + sum(degradedShare));
  const percentUp = (level: PriorityHealth) => (level.total === 0 ? 0 : (100 * (level.healthy + level.degraded)) / level.total);
  // No panic anywhere while the levels together can take everything.
  const panic = levels.map((level) => available < 100 && level.total > 0 && percentUp(level) < panicPercent);
  const hosts = sum(levels.map((level) => level.total));
  if (hosts > 0 && levels.every((level, i) => level.total === 0 || panic[i] === true)) {
    return { healthy: distribute(levels.map((level) => (100 * level.total) / hosts)), degraded: levels.map(() => 0), panic };
  }
  if (available === 0) return { healthy: levels.map((_level, i) => (i === 0 ? 100 : 0)), degraded: levels.map(() => 0), panic };
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

/** Rounds down; what is lost goes to the first that has any. */
function distribute(loads: readonly number[]): number[] {
  const rounded = loads.map(Math.floor);
  giveRest(rounded, 100 - sum(rounded));
  return rounded;
}

function giveRest(loads: number[], rest: number): void {
  const first = loads.findIndex((load) => load > 0);
  if (first >= 0) loads[first] = (loads[first] ?? 0) + rest;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
