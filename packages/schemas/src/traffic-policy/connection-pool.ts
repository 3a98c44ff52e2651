import type { ConnectionPool } from '../destination-rule/spec.ts';
import { durationMs } from '../fields.ts';
import type { FindingList } from '../findings.ts';
import { wholeMilliseconds } from '../values/durations.ts';

type Path = readonly PropertyKey[];

const COUNTS = ['http1MaxPendingRequests', 'http2MaxRequests', 'maxRequestsPerConnection', 'maxRetries', 'maxConcurrentStreams'] as const;

/** Limits of the connections to a destination. */
export function checkConnectionPool(pool: ConnectionPool | undefined, path: Path, findings: FindingList): void {
  if (pool === undefined) return;
  const { http, tcp } = pool;
  if (http === undefined && tcp === undefined) findings.error(path, 'sets nothing; set tcp or http');
  checkHttp(http ?? {}, [...path, 'http'], findings);
  checkTcp(tcp ?? {}, [...path, 'tcp'], findings);
}

function checkHttp(http: NonNullable<ConnectionPool['http']>, path: Path, findings: FindingList): void {
  for (const field of COUNTS) checkCount(http[field], [...path, field], findings);
  checkDuration(http.idleTimeout, [...path, 'idleTimeout'], findings);
  if (http.h2UpgradePolicy === 'UPGRADE' && http.useClientProtocol === true)
    findings.error([...path, 'useClientProtocol'], 'cannot be true with h2UpgradePolicy UPGRADE, which speaks HTTP/2 with every client');
  if (http.http2KeepAlive === undefined) return;
  for (const field of ['interval', 'timeout'] as const) {
    const value = http.http2KeepAlive[field];
    if (value === undefined) findings.error([...path, 'http2KeepAlive', field], 'required field is missing');
    checkDuration(value, [...path, 'http2KeepAlive', field], findings);
  }
}

function checkTcp(tcp: NonNullable<ConnectionPool['tcp']>, path: Path, findings: FindingList): void {
  checkCount(tcp.maxConnections, [...path, 'maxConnections'], findings);
  checkDuration(tcp.connectTimeout, [...path, 'connectTimeout'], findings);
  checkDuration(tcp.maxConnectionDuration, [...path, 'maxConnectionDuration'], findings);
  // Zero, which whatever is below a millisecond counts as, means that connections may idle for ever.
  if (Math.trunc(durationMs(tcp.idleTimeout ?? '0') ?? 0) !== 0) checkDuration(tcp.idleTimeout, [...path, 'idleTimeout'], findings);
  checkDuration(tcp.tcpKeepalive?.time, [...path, 'tcpKeepalive', 'time'], findings);
  checkDuration(tcp.tcpKeepalive?.interval, [...path, 'tcpKeepalive', 'interval'], findings);
}

function checkCount(value: number | undefined, path: Path, findings: FindingList): void {
  if (value !== undefined && value < 0) findings.error(path, `${value} is negative`);
}

export function checkDuration(value: string | undefined, path: Path, findings: FindingList): void {
  if (value !== undefined) findings.refuse(path, wholeMilliseconds(value));
}
