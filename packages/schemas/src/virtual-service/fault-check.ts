import { GRPC_STATUS, nearest } from '@xebec/core';
import type { FindingList } from '../findings.ts';
import { checkDuration } from '../traffic-policy/connection-pool.ts';
import { checkOneOf } from '../values/one-of.ts';
import type { HttpRoute } from './spec.ts';

type Path = readonly PropertyKey[];
type Fault = NonNullable<HttpRoute['fault']>;

/** Envoy counts in millionths: 0.0001 % is the least. */
const LEAST_PERCENT = 0.0001;

/** Faults that a route injects. */
export function checkFault(fault: HttpRoute['fault'], path: Path, findings: FindingList): void {
  if (fault === undefined) return;
  if (fault.abort === undefined && fault.delay === undefined) findings.error(path, 'needs abort or delay');
  checkAbort(fault.abort, [...path, 'abort'], findings);
  const { delay } = fault;
  if (delay === undefined) return;
  const at = [...path, 'delay'];
  checkPercentage(delay.percentage, [...at, 'percentage', 'value'], findings);
  checkOneOf(delay, ['fixedDelay', 'exponentialDelay'], at, findings);
  checkDuration(delay.fixedDelay, [...at, 'fixedDelay'], findings);
  if (delay.exponentialDelay !== undefined) findings.error([...at, 'exponentialDelay'], 'is not supported; write fixedDelay');
}

function checkAbort(abort: Fault['abort'], path: Path, findings: FindingList): void {
  if (abort === undefined) return;
  checkPercentage(abort.percentage, [...path, 'percentage', 'value'], findings);
  checkOneOf(abort, ['httpStatus', 'grpcStatus', 'http2Error'], path, findings);
  if (abort.http2Error !== undefined) findings.error([...path, 'http2Error'], 'is not supported; write httpStatus or grpcStatus');
  if (abort.httpStatus !== undefined) checkStatus(abort.httpStatus, [...path, 'httpStatus'], findings);
  else if (abort.grpcStatus === undefined) findings.warning(path, 'has no effect without httpStatus or grpcStatus');
  if (abort.grpcStatus === undefined || GRPC_STATUS.includes(abort.grpcStatus)) return;
  const suggestion = nearest(abort.grpcStatus.toUpperCase(), GRPC_STATUS);
  const hint = suggestion === undefined ? `; use one of ${GRPC_STATUS.join(', ')}` : `; did you mean "${suggestion}"?`;
  findings.error([...path, 'grpcStatus'], `"${abort.grpcStatus}" is not a gRPC status${hint}`);
}

/** Istio lets 600 through beside 200 to 599. */
export function checkStatus(status: number, path: Path, findings: FindingList): void {
  if (status < 200 || status > 600) findings.error(path, `${status} is not 200 to 599`);
}

function checkPercentage(percentage: { readonly value?: number | undefined } | undefined, path: Path, findings: FindingList): void {
  const value = percentage?.value ?? 0;
  if (value > 0 && value < LEAST_PERCENT) findings.error(path, `${value} is less than ${LEAST_PERCENT}`);
}
