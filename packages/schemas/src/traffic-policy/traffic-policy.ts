import type { OutlierDetection, PortTrafficPolicy, TrafficPolicy } from '../destination-rule/spec.ts';
import type { FindingList } from '../findings.ts';
import { ipAddress } from '../values/addresses.ts';
import { domainName } from '../values/names.ts';
import { anyOf } from '../values/value-check.ts';
import { checkClientTls } from './client-tls.ts';
import { checkConnectionPool, checkDuration } from './connection-pool.ts';
import { checkLoadBalancer } from './load-balancer.ts';

type Path = readonly PropertyKey[];

const PORT_FIELDS = ['outlierDetection', 'connectionPool', 'loadBalancer', 'tls'] as const;
const FIELDS = [...PORT_FIELDS, 'tunnel', 'proxyProtocol', 'retryBudget', 'portLevelSettings'] as const;

/** How a destination is called: by a rule, a subset or a port of them. */
export function checkTrafficPolicy(policy: TrafficPolicy | undefined, namespace: string, path: Path, findings: FindingList): void {
  if (policy === undefined) return;
  if (FIELDS.every((field) => policy[field] === undefined)) {
    findings.error(path, `sets nothing; set one of ${FIELDS.join(', ')}`);
    return;
  }
  if (policy.tunnel !== undefined && policy.proxyProtocol !== undefined) {
    findings.error(path, 'only one of tunnel and proxyProtocol can be set');
    return;
  }
  checkParts(policy, namespace, path, findings);
  for (const [index, settings] of (policy.portLevelSettings ?? []).entries()) {
    const at = [...path, 'portLevelSettings', index];
    if (settings.port === undefined) findings.error([...at, 'port'], 'required field is missing');
    if (PORT_FIELDS.every((field) => settings[field] === undefined))
      findings.error(at, `sets nothing; set one of ${PORT_FIELDS.join(', ')}`);
    checkParts(settings, namespace, at, findings);
  }
  if (policy.tunnel === undefined) return;
  const { protocol = '', targetHost } = policy.tunnel;
  if (!['', 'CONNECT', 'POST'].includes(protocol))
    findings.error([...path, 'tunnel', 'protocol'], `"${protocol}" is neither CONNECT nor POST`);
  findings.refuse([...path, 'tunnel', 'targetHost'], anyOf(domainName, ipAddress)(targetHost));
}

function checkParts(policy: TrafficPolicy | PortTrafficPolicy, namespace: string, path: Path, findings: FindingList): void {
  checkOutlierDetection(policy.outlierDetection, [...path, 'outlierDetection'], findings);
  checkConnectionPool(policy.connectionPool, [...path, 'connectionPool'], findings);
  checkLoadBalancer(policy.loadBalancer, policy.outlierDetection !== undefined, [...path, 'loadBalancer'], findings);
  checkClientTls(policy.tls, namespace, [...path, 'tls'], findings);
}

export function checkOutlierDetection(outlier: OutlierDetection | undefined, path: Path, findings: FindingList): void {
  if (outlier === undefined) return;
  checkDuration(outlier.baseEjectionTime, [...path, 'baseEjectionTime'], findings);
  checkDuration(outlier.interval, [...path, 'interval'], findings);
  if ((outlier.consecutiveErrors ?? 0) !== 0)
    findings.warning([...path, 'consecutiveErrors'], 'is deprecated; write consecutiveGatewayErrors or consecutive5xxErrors');
  if (outlier.splitExternalLocalOriginErrors !== true && (outlier.consecutiveLocalOriginFailures ?? 0) > 0)
    findings.error([...path, 'consecutiveLocalOriginFailures'], 'needs splitExternalLocalOriginErrors');
  for (const field of ['maxEjectionPercent', 'minHealthPercent'] as const) {
    const value = outlier[field] ?? 0;
    if (value < 0 || value > 100) findings.error([...path, field], `${value} is not 0 to 100`);
  }
}
