import { EdfSchedule } from './edf-schedule.ts';
import type { Host } from './host.ts';
import type { ChooseContext, HostPicker } from './host-picker.ts';

/** Chooses among the hosts of one priority that have one health; undefined where there are none. */
export type GroupPicker<H extends Host> = ((context: ChooseContext) => H | undefined) | undefined;

/**
 * First a locality by its weight, then a host in it. A locality that lost hosts keeps its weight while overprovisioning makes up for
 * them. `all` are the hosts of the priority whatever their health.
 */
export function createLocalityPicker<H extends Host>(
  chosen: readonly H[],
  all: readonly H[],
  weightOf: (host: H) => number,
  overprovisioning: number,
  create: (hosts: readonly H[]) => HostPicker<H>,
): GroupPicker<H> {
  if (chosen.length === 0) return undefined;
  const groups: { readonly weight: number; readonly pick: HostPicker<H> }[] = [];
  for (const [locality, hosts] of Map.groupBy(chosen, (host) => host.locality)) {
    let total = 0;
    for (const host of all) if (host.locality === locality && host.excluded !== true) total++;
    const availability = Math.min(1, (overprovisioning / 100) * (hosts.length / Math.max(total, 1)));
    const weight = weightOf(hosts[0] as H) * availability;
    if (weight > 0) groups.push({ weight, pick: create(hosts) });
  }
  if (groups.length === 0) return create(chosen);
  if (groups.length === 1) return groups[0]?.pick;
  const schedule = new EdfSchedule(groups, (group) => group.weight);
  return (context) => schedule.next()?.pick(context);
}
