import type { Container, Handler, Lifecycle, Probe } from './pod.ts';

const STATUS_PORT = 15020;

/** What the agent replays for one rewritten probe: the original handler and its timeout. */
export type AppProbers = Readonly<Record<string, Handler & { readonly timeoutSeconds?: number }>>;

const PROBES = [
  ['livenessProbe', 'livez'],
  ['readinessProbe', 'readyz'],
  ['startupProbe', 'startupz'],
] as const;

/**
 * Points the HTTP, TCP and gRPC probes of application containers at the agent, which replays them from inside the pod:
 * under strict mTLS the kubelet's plain request would be refused. `exec` probes need no network and stay.
 */
export function rewriteProbes(
  containers: readonly Container[],
  statusPort = STATUS_PORT,
): { containers: Container[]; probers: AppProbers } {
  const probers: Record<string, AppProbers[string]> = {};
  const rewritten = containers.map((container) => {
    const changed: Record<string, unknown> = { ...container };
    for (const [field, word] of PROBES) {
      const probe = container[field];
      if (probe === undefined) continue;
      const path = `/app-health/${container.name}/${word}`;
      const original = replayable(probe, container);
      if (original === undefined) continue;
      probers[path] = probe.timeoutSeconds === undefined ? original : { ...original, timeoutSeconds: probe.timeoutSeconds };
      changed[field] = redirected(probe, path, statusPort);
    }
    const lifecycle = rewriteLifecycle(container, probers, statusPort);
    if (lifecycle !== undefined) changed['lifecycle'] = lifecycle;
    return changed as Container; // a copy of a Container with fields of the same types replaced
  });
  return { containers: rewritten, probers };
}

function rewriteLifecycle(container: Container, probers: Record<string, AppProbers[string]>, statusPort: number): Lifecycle | undefined {
  if (container.lifecycle === undefined) return undefined;
  const out: { postStart?: Handler; preStop?: Handler } = { ...container.lifecycle };
  for (const [field, word] of [
    ['postStart', 'poststartz'],
    ['preStop', 'prestopz'],
  ] as const) {
    const handler = container.lifecycle[field];
    const original = handler === undefined ? undefined : replayable(handler, container);
    if (original === undefined) continue;
    const path = `/app-lifecycle/${container.name}/${word}`;
    probers[path] = original;
    out[field] = { httpGet: { path, port: statusPort } };
  }
  return out;
}

function redirected(probe: Probe, path: string, statusPort: number): Probe {
  const { httpGet: _http, tcpSocket: _tcp, grpc: _grpc, ...timing } = probe;
  return { ...timing, httpGet: { path, port: statusPort } };
}

/** The handler with named ports resolved; undefined for what is not rewritten. */
function replayable(handler: Handler, container: Container): Handler | undefined {
  if (handler.httpGet !== undefined) {
    const port = portNumber(handler.httpGet.port, container);
    return port === undefined ? undefined : { httpGet: { ...handler.httpGet, port } };
  }
  if (handler.tcpSocket !== undefined) {
    const port = portNumber(handler.tcpSocket.port, container);
    return port === undefined ? undefined : { tcpSocket: { ...handler.tcpSocket, port } };
  }
  return handler.grpc === undefined ? undefined : { grpc: handler.grpc };
}

function portNumber(port: number | string, container: Container): number | undefined {
  if (typeof port === 'number') return port;
  if (/^\d+$/.test(port)) return Number(port);
  return container.ports?.find((candidate) => candidate.name === port)?.containerPort;
}
