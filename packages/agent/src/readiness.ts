import { errorText } from '@xebec/core';
import { httpCall } from './http-get.ts';

/** Undefined when the data plane serves; otherwise the text that Istio's users know. */
export type DataPlaneReadiness = () => Promise<string | undefined>;

const STATS_FILTER =
  '^(cluster_manager.cds|listener_manager.lds)[.](update_success|update_rejected)$|^listener_manager[.]workers_started$|^server[.]state$';

/**
 * Asks the data plane's admin port: configuration must have come (CDS and LDS accepted once), workers run, and `/ready` say LIVE.
 * Accepted configuration does not go away, so it is asked for until it is there and then no more.
 */
export function adminReadiness(adminUrl: string, timeoutMs = 1000): DataPlaneReadiness {
  let configured = false;
  return async () => {
    try {
      if (!configured) {
        const missing = await missingConfiguration(adminUrl, timeoutMs);
        if (missing !== undefined) return missing;
        configured = true;
      }
      const ready = await httpCall(`${adminUrl}/ready`, { timeoutMs });
      const state = ready.body.trim();
      return ready.status === 200 && state === 'LIVE' ? undefined : `server is not live, current state is: ${state}`;
    } catch (error) {
      return `failed to get the state of the data plane: ${errorText(error)}`;
    }
  };
}

async function missingConfiguration(adminUrl: string, timeoutMs: number): Promise<string | undefined> {
  const { body } = await httpCall(`${adminUrl}/stats?filter=${encodeURIComponent(STATS_FILTER)}`, { timeoutMs });
  const value = (name: string) => Number(new RegExp(`^${name.replaceAll('.', '[.]')}: (\\d+)$`, 'm').exec(body)?.[1] ?? 0);
  const cds = { ok: value('cluster_manager.cds.update_success'), bad: value('cluster_manager.cds.update_rejected') };
  const lds = { ok: value('listener_manager.lds.update_success'), bad: value('listener_manager.lds.update_rejected') };
  if (cds.ok > 0 && lds.ok > 0) return value('listener_manager.workers_started') === 0 ? 'workers have not yet started' : undefined;
  const part = (kind: string, counts: { ok: number; bad: number }) => `${kind} updates: ${counts.ok} successful, ${counts.bad} rejected`;
  const why =
    cds.ok + cds.bad + lds.ok + lds.bad === 0
      ? 'config not received from Pilot (is Pilot running?)'
      : 'config received from Pilot, but was rejected';
  return `${why}: ${part('cds', cds)}; ${part('lds', lds)}`;
}
