import { isObject, type JsonObject, type KubeObject, numberAt, objectAt, objectsAt, textAt, textsAt } from './object.ts';
import { type FieldError, invalidValue } from './status.ts';

/** A range of IPv4 addresses. */
export interface Cidr {
  readonly text: string;
  readonly base: number;
  readonly size: number;
}

/** Reads `10.96.0.0/12`; undefined when it is no IPv4 range. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^(\d{1,3}(?:\.\d{1,3}){3})\/(\d{1,2})$/.exec(text);
  const address = parseIpv4(match?.[1] ?? '');
  const bits = Number(match?.[2] ?? 33);
  if (address === undefined || bits > 32) return undefined;
  const size = 2 ** (32 - bits);
  return { text, base: Math.floor(address / size) * size, size };
}

export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || !/^[\d.]+$/.test(text) || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((value, part) => value * 256 + part, 0);
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

const NODE_PORT_FIRST = 30_000;
const NODE_PORT_LAST = 32_767;
/** IPv6 addresses exist for services that ask for two families; nothing routes them. */
const IPV6_PREFIX = 'fd00:10:96::';

/**
 * Gives a service its cluster address and node ports, changing its spec; keeps what the earlier version had. Addresses
 * go up from the 11th of the range: the first is the API server's, the tenth DNS's, as clusters have it.
 */
export function allocateServiceAddresses(
  service: KubeObject,
  before: KubeObject | undefined,
  others: readonly KubeObject[],
  cidr: Cidr,
): FieldError[] {
  const spec = objectAt(service, 'spec');
  if (spec === undefined) return [];
  const type = textAt(spec, 'type');
  if (type === 'ExternalName') {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) delete spec[field];
    return [];
  }
  const errors: FieldError[] = [];
  const rest = others.filter((other) => other.metadata.uid !== service.metadata.uid);
  const earlier = textAt(before, 'spec', 'clusterIP');
  const wanted = textAt(spec, 'clusterIP');
  if (earlier !== '' && wanted !== '' && wanted !== earlier && textAt(before, 'spec', 'type') !== 'ExternalName') {
    errors.push(invalidValue('spec.clusterIPs[0]', [wanted], 'may not change once set'));
  }
  if (wanted === '') spec['clusterIP'] = earlier === '' ? nextAddress(rest, cidr) : earlier;
  else if (wanted !== 'None' && wanted !== earlier) errors.push(...checkWanted(wanted, rest, cidr));
  const policy = textAt(spec, 'ipFamilyPolicy') || 'SingleStack';
  spec['ipFamilyPolicy'] = policy;
  const clusterIp = textAt(spec, 'clusterIP');
  const families = policy === 'SingleStack' ? ['IPv4'] : ['IPv4', 'IPv6'];
  spec['ipFamilies'] = families;
  const secondary = IPV6_PREFIX + (parseIpv4(clusterIp) ?? 0).toString(16).replace(/(.+)(.{4})$/, '$1:$2');
  spec['clusterIPs'] = clusterIp === 'None' || families.length === 1 ? [clusterIp] : [clusterIp, secondary];
  if (type === 'NodePort' || type === 'LoadBalancer') errors.push(...allocateNodePorts(spec, before, rest));
  else for (const port of objectsAt(spec, 'ports')) delete port['nodePort'];
  return errors;
}

function checkWanted(wanted: string, others: readonly KubeObject[], cidr: Cidr): FieldError[] {
  const address = parseIpv4(wanted);
  if (address === undefined)
    return [invalidValue('spec.clusterIPs[0]', wanted, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];
  if (address < cidr.base || address >= cidr.base + cidr.size) {
    return [
      invalidValue(
        'spec.clusterIPs',
        [wanted],
        `failed to allocate IP ${wanted}: the provided IP (${wanted}) is not in the valid range. The range of valid IPs is ${cidr.text}`,
      ),
    ];
  }
  const taken = others.some((other) => textAt(other, 'spec', 'clusterIP') === wanted);
  return taken ? [invalidValue('spec.clusterIPs', [wanted], `failed to allocate IP ${wanted}: provided IP is already allocated`)] : [];
}

function nextAddress(others: readonly KubeObject[], cidr: Cidr): string {
  const used = new Set(others.flatMap((other) => textsAt(other, 'spec', 'clusterIPs')));
  // Round after the highest in use, so that a deleted service's address is not given away at once.
  const highest = Math.max(
    cidr.base + 10,
    ...[...used].map((text) => parseIpv4(text) ?? 0).filter((value) => value >= cidr.base && value < cidr.base + cidr.size - 2),
  );
  for (let step = 1; step < cidr.size; step++) {
    const candidate = cidr.base + 11 + ((highest + step - cidr.base - 11) % Math.max(1, cidr.size - 12));
    const text = formatIpv4(candidate);
    if (!used.has(text)) return text;
  }
  return 'None';
}

function allocateNodePorts(spec: JsonObject, before: KubeObject | undefined, others: readonly KubeObject[]): FieldError[] {
  const used = new Set(others.flatMap((other) => objectsAt(other, 'spec', 'ports').map((port) => numberAt(port, 'nodePort') ?? 0)));
  const errors: FieldError[] = [];
  objectsAt(spec, 'ports').forEach((port, index) => {
    const wanted = numberAt(port, 'nodePort');
    if (wanted !== undefined && wanted !== 0) {
      if (wanted < NODE_PORT_FIRST || wanted > NODE_PORT_LAST) {
        errors.push(
          invalidValue(
            `spec.ports[${index}].nodePort`,
            wanted,
            `provided port is not in the valid range. The range of valid ports is ${NODE_PORT_FIRST}-${NODE_PORT_LAST}`,
          ),
        );
      } else if (used.has(wanted)) errors.push(invalidValue(`spec.ports[${index}].nodePort`, wanted, 'provided port is already allocated'));
      used.add(wanted);
      return;
    }
    const earlier = objectsAt(before, 'spec', 'ports').find(
      (other) => isObject(other) && other['port'] === port['port'] && other['protocol'] === port['protocol'],
    );
    let candidate = numberAt(earlier, 'nodePort') ?? 0;
    for (let next = NODE_PORT_FIRST + (used.size % 2000); candidate === 0 && next <= NODE_PORT_LAST; next++)
      if (!used.has(next)) candidate = next;
    port['nodePort'] = candidate;
    used.add(candidate);
  });
  return errors;
}
