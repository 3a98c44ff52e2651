import { isIP } from 'node:net';

/** What is wrong with a value, or undefined. */
type Check = (value: string) => string | undefined;

const ERRORS_OF_PORTS = 'invalid syntax';

const isTooLarge = (digits: string, max: number): boolean => digits.length > 10 || Number(digits) > max;

function unsigned(value: string, max: number): string | undefined {
  const quoted = JSON.stringify(value);
  if (!/^\d+$/.test(value)) return `strconv.ParseUint: parsing ${quoted}: ${ERRORS_OF_PORTS}`;
  return isTooLarge(value, max) ? `strconv.ParseUint: parsing ${quoted}: value out of range` : undefined;
}

function port(value: string): string | undefined {
  const problem = unsigned(value.trim(), 65535);
  return problem === undefined ? undefined : `failed parsing port '${value}': ${problem}`;
}

const ports =
  (parameter: string, wildcard: boolean): Check =>
  (value) => {
    if ((wildcard && value === '*') || value.trim() === '') return undefined;
    for (const part of value.trim().split(',')) {
      const problem = port(part);
      if (problem !== undefined) return `${parameter} invalid: failed parsing port '${part}': ${problem}`;
    }
    return undefined;
  };

const ranges =
  (parameter: string, wildcard: boolean): Check =>
  (value) => {
    if ((wildcard && value === '*') || value === '') return undefined;
    for (const range of value.split(',')) {
      const problem = rangeProblem(range);
      if (problem !== undefined)
        return `${parameter} invalid: failed parsing cidr '${range}': netip.ParsePrefix(${JSON.stringify(range)}): ${problem}`;
    }
    return undefined;
  };

/** In the words of Go. */
function rangeProblem(text: string): string | undefined {
  const slash = text.lastIndexOf('/');
  if (slash < 0) return "no '/'";
  const [address, length] = [text.slice(0, slash), text.slice(slash + 1)];
  const family = isIP(address);
  if (family === 0) return `ParseAddr(${JSON.stringify(address)}): unable to parse IP`;
  if (!/^(0|[1-9]\d*)$/.test(length)) return `bad bits after slash: ${JSON.stringify(length)}`;
  return Number(length) <= (family === 4 ? 32 : 128) ? undefined : 'prefix length out of range';
}

const seconds: Check = (value) => unsigned(value, 0xffffffff);

const interfaces: Check = (value) => {
  if (value === '') return undefined;
  for (const name of value.split(',').map((part) => part.trim())) {
    if (name === '') return 'empty interface name';
    if (name.length > 15) return `interface name ${JSON.stringify(name)} too long (max 15 chars)`;
    if (!/^[a-zA-Z0-9_.:@-]+$/.test(name)) return `interface name ${JSON.stringify(name)} contains invalid characters`;
  }
  return undefined;
};

const bool: Check = (value) =>
  /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(value)
    ? undefined
    : `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`;

const quantity: Check = (value) => {
  if ([...value].some((char) => char < ' ' || char === '\x7f')) return 'value contains control characters';
  return /^[+-]?(\d+|\d+\.\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/.test(value)
    ? undefined
    : "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
};

const interceptionMode: Check = (value) =>
  ['REDIRECT', 'TPROXY', 'NONE'].includes(value) ? undefined : `interceptionMode invalid, use REDIRECT,TPROXY,NONE: ${value}`;

const statusPort: Check = (value) => {
  const problem = port(value);
  return problem === undefined ? undefined : `excludeInboundPorts invalid: ${problem}`;
};

/** Checks of values, by annotation, as the injector makes them. */
export const annotationValueChecks: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['sidecar.istio.io/interceptionMode', interceptionMode],
  ['status.sidecar.istio.io/port', statusPort],
  ['readiness.status.sidecar.istio.io/initialDelaySeconds', seconds],
  ['readiness.status.sidecar.istio.io/periodSeconds', seconds],
  ['readiness.status.sidecar.istio.io/failureThreshold', seconds],
  ['traffic.sidecar.istio.io/includeOutboundIPRanges', ranges('includeIPRanges', true)],
  ['traffic.sidecar.istio.io/excludeOutboundIPRanges', ranges('excludeIPRanges', false)],
  ['traffic.sidecar.istio.io/includeInboundPorts', ports('includeInboundPorts', true)],
  ['traffic.sidecar.istio.io/excludeInboundPorts', ports('excludeInboundPorts', false)],
  ['traffic.sidecar.istio.io/excludeOutboundPorts', ports('excludeOutboundPorts', false)],
  ['traffic.sidecar.istio.io/excludeInterfaces', interfaces],
  ['traffic.sidecar.istio.io/kubevirtInterfaces', interfaces],
  ['istio.io/reroute-virtual-interfaces', interfaces],
  ['prometheus.istio.io/merge-metrics', bool],
  ['sidecar.istio.io/proxyCPU', quantity],
  ['sidecar.istio.io/proxyMemory', quantity],
  ['sidecar.istio.io/proxyCPULimit', quantity],
  ['sidecar.istio.io/proxyMemoryLimit', quantity],
]);
