import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeAny, readYamlObjects } from '@xebec/config';
import { createSnapshot } from '@xebec/model';
import { KubernetesRegistry, plannedChanges } from '@xebec/platforms';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { observedTraffic } from './observed-traffic.ts';
import { type ReportPod, strictReport } from './report.ts';
import { livePods, plannedPods } from './report-pods.ts';
import { reportText, run } from './run.ts';

const MESH = `apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cron, namespace: old}
spec: {containers: [{name: cron, image: cron}]}
`;
const RULE = `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: plain, namespace: old}
spec: {host: web.shop.svc.cluster.local, trafficPolicy: {tls: {mode: DISABLE}}}
`;
const strict = (mode: string, more = '') => `---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: ${mode}}${more}}
`;

function reportOf(yaml: string, traffic: readonly string[] = []) {
  const contents = readYamlObjects(yaml).objects.map(({ value }) => value);
  const registry = new KubernetesRegistry('cluster.local');
  registry.apply(plannedChanges(contents));
  const config = contents.flatMap((content) => {
    const decoded = decodeAny(content, { defaultNamespace: 'default' });
    return decoded.ok && decoded.value !== undefined ? [decoded.value] : [];
  });
  const snapshot = createSnapshot({ version: '1', mesh: {}, ...registry.view({}, config) });
  const pods: ReportPod[] = plannedPods(contents).map((pod) =>
    pod.workload === 'web' && traffic.length > 0 ? { ...pod, traffic: observedTraffic(traffic.join('\n')) } : pod,
  );
  return strictReport({ snapshot, pods });
}

const requests = (policy: string, workload: string, count: number, reporter = 'destination') =>
  `istio_requests_total{reporter="${reporter}",source_workload="${workload}",source_workload_namespace="old",destination_workload="web",connection_security_policy="${policy}"} ${count}`;

describe('what proxies saw', () => {
  it('is summed by caller and kind of connection, at the destination alone', () => {
    const page = [
      requests('none', 'unknown', 3),
      requests('none', 'unknown', 4),
      requests('mutual_tls', 'a', 5),
      requests('unknown', 'a', 9, 'source'),
      'istio_tcp_connections_opened_total{reporter="destination",source_workload="b",source_workload_namespace="x",connection_security_policy="none"} 2',
      'nonsense{ 1',
    ].join('\n');
    expect(observedTraffic(page)).toEqual([
      { protocol: 'http', from: 'unknown', mutualTls: false, count: 7 },
      { protocol: 'http', from: 'a.old', mutualTls: true, count: 5 },
      { protocol: 'tcp', from: 'b.x', mutualTls: false, count: 2 },
    ]);
  });
});

describe('the verdict', () => {
  const verdict = (yaml: string, traffic: readonly string[] = []) =>
    reportOf(yaml, traffic).workloads.find(({ workload }) => workload === 'web');
  it.each([
    ['breaks, where plaintext came', MESH, [requests('none', 'unknown', 2), requests('mutual_tls', 'a', 8)], 'breaks'],
    ['breaks, where a rule leaves TLS out', MESH + RULE, [], 'breaks'],
    ['is safe, where only mutual TLS came', MESH, [requests('mutual_tls', 'a', 8)], 'safe'],
    ['is quiet, where nobody came', MESH, [], 'quiet'],
    ['is strict, where it is so already', MESH + strict('STRICT'), [requests('none', 'unknown', 2)], 'strict'],
    ['is no sidecar, where there is none', MESH.replace('istio-injection: enabled', 'a: b'), [], 'no sidecar'],
  ] as const)('%s', (_what, yaml, traffic, expected) => {
    expect(verdict(yaml, traffic)?.verdict).toBe(expected);
  });
  it('looks at ports that are left open', () => {
    const yaml = MESH + strict('STRICT', ', selector: {matchLabels: {app: web}}, portLevelMtls: {9000: {mode: PERMISSIVE}}');
    expect(verdict(yaml, [requests('none', 'unknown', 1)])).toMatchObject({ verdict: 'breaks', mode: 'STRICT, 9000: PERMISSIVE' });
  });
  it('names callers that have no sidecar, the rules, and the evidence', () => {
    const report = reportOf(MESH + RULE, [requests('none', 'unknown', 2)]);
    expect(report.callersWithoutSidecar).toEqual(['old/cron']);
    expect(reportText(report)).toContain('2 requests in plaintext from unknown');
    expect(reportText(report)).toContain('DestinationRule old/plain: trafficPolicy.tls.mode DISABLE');
  });
});

describe('pods', () => {
  it('belong to their Deployment, and count while they run', () => {
    const pod = (phase: string) => ({
      kind: 'Pod',
      metadata: {
        name: 'web-6f-x',
        namespace: 'shop',
        labels: { 'pod-template-hash': '6f' },
        ownerReferences: [{ kind: 'ReplicaSet', name: 'web-6f', controller: true }],
      },
      spec: { containers: [{ name: 'web' }, { name: 'istio-proxy' }] },
      status: { phase },
    });
    expect(livePods([pod('Running'), pod('Succeeded')])).toMatchObject([{ workload: 'web', sidecar: true }]);
  });
});

describe('the command', () => {
  const directory = mkdtempSync(join(tmpdir(), 'xebec-strict-'));
  afterEach(() => {
    process.exitCode = undefined;
    vi.restoreAllMocks();
    rmSync(directory, { recursive: true, force: true });
  });
  it('reads manifests, and ends with 79 where STRICT would break something', async () => {
    let printed = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
    const file = join(directory, 'mesh.yaml');
    writeFileSync(file, MESH + RULE);
    await run({ file: [file], output: 'json' });
    expect(JSON.parse(printed)).toMatchObject({ workloads: [{ workload: 'cron' }, { workload: 'web', verdict: 'breaks' }] });
    expect(process.exitCode).toBe(79);
    await expect(run({ file: [file], output: 'xml' })).rejects.toThrow('-o xml');
  });
});
