import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { StatsScope } from '@xebec/telemetry';
import { createHcmStats } from '../http/hcm-stats.ts';
import { createListenerStats } from '../listeners/listener-stats.ts';

/** Counts what the admin server does, as Envoy does: `http.admin.*` and `listener.admin.*`. */
export interface AdminStats {
  connection(socket: Socket): void;
  /** A request has come; the returned function is told the answer's status. */
  request(response: ServerResponse): (status: number) => void;
}

/** `now` is monotonic, in milliseconds. */
export function createAdminStats(root: StatsScope, now: () => number): AdminStats {
  const http = createHcmStats(root, 'admin', root.scope('listener.admin'));
  const listener = createListenerStats(root, 'admin', undefined);
  return {
    connection(socket) {
      const sinceMs = now();
      listener.acceptedAtOnce.record(1);
      for (const counter of [http.cxTotal, http.cxHttp1.total, listener.cxTotal, listener.workerCxTotal]) counter.add(1);
      for (const gauge of [http.cxActive, http.cxHttp1.active, listener.cxActive, listener.workerCxActive]) gauge.add(1);
      socket.once('close', () => {
        const lengthMs = now() - sinceMs;
        for (const gauge of [http.cxActive, http.cxHttp1.active, listener.cxActive, listener.workerCxActive]) gauge.add(-1);
        for (const counter of [http.cxDestroy, listener.cxDestroy]) counter.add(1);
        listener.cxLengthMs.record(lengthMs);
        http.ended('remote', false, lengthMs);
        http.cxRxBytes.add(socket.bytesRead);
        http.cxTxBytes.add(socket.bytesWritten);
      });
    },
    request(response) {
      const sinceMs = now();
      for (const counter of [http.rqTotal, http.rqHttp1]) counter.add(1);
      http.rqActive.add(1);
      response.once('close', () => {
        http.rqActive.add(-1);
        http.rqTime.record(now() - sinceMs);
      });
      return (status) => http.answered(status);
    },
  };
}
