import type { CidrRange } from '@xebec/protos/envoy/config/core/v3/address';
import type { FilterChain, FilterChainMatch } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { refuse } from './refuse.ts';

/** More combinations of one chain are not compared. */
const maxCombinations = 20_000;

/** Two chains must not match the same connection by the same rules. Throws XebecError `E_CONFIG`. */
export function checkFilterChainMatches(chains: readonly FilterChain[]): void {
  const whole = new Map<string, string>();
  const seen = new Set<string>();
  for (const { filterChainMatch, name } of chains) {
    const dimensions = dimensionsOf(filterChainMatch);
    const text = JSON.stringify(dimensions);
    const same = whole.get(text);
    if (same !== undefined) {
      const matcher = dimensions.every((values) => values.length === 1 && values[0] === '') ? '{}' : text;
      refuse(`filter chain '${name}' has the same matching rules defined as '${same}'. duplicate matcher is: ${matcher}`);
    }
    whole.set(text, name);
    if (dimensions.reduce((product, values) => product * values.length, 1) > maxCombinations) continue;
    for (const combination of combinations(dimensions)) {
      if (seen.has(combination)) refuse('multiple filter chains with overlapping matching rules are defined');
      seen.add(combination);
    }
  }
}

function dimensionsOf(match: FilterChainMatch | undefined): string[][] {
  const orAny = (values: readonly string[]): string[] => (values.length === 0 ? [''] : [...new Set(values)].sort());
  const cidrs = (ranges: readonly CidrRange[]) => orAny(ranges.map(networkOf));
  if (match === undefined) return Array.from({ length: 9 }, () => ['']);
  return [
    orAny(match.destinationPort === undefined ? [] : [String(match.destinationPort)]),
    cidrs(match.prefixRanges),
    orAny(match.serverNames.map((name) => name.toLowerCase())),
    orAny(match.transportProtocol === '' ? [] : [match.transportProtocol]),
    orAny(match.applicationProtocols),
    cidrs(match.directSourcePrefixRanges),
    orAny(match.sourceType === 0 ? [] : [String(match.sourceType)]),
    cidrs(match.sourcePrefixRanges),
    orAny(match.sourcePorts.map(String)),
  ];
}

/** The range by its network: 10.1.0.0/8 is 10.0.0.0/8. */
function networkOf({ addressPrefix, prefixLen }: CidrRange): string {
  const length = prefixLen ?? 0;
  const parts = addressPrefix.split('.').map(Number);
  if (parts.length !== 4) return `${addressPrefix}/${length}`;
  const kept = parts.map((part, index) => part & (0xff << Math.max(0, Math.min(8, 8 * (index + 1) - length))) & 0xff);
  return `${kept.join('.')}/${length}`;
}

function combinations(dimensions: readonly string[][]): string[] {
  return dimensions.reduce<string[]>((before, values) => before.flatMap((lead) => values.map((value) => `${lead}|${value}`)), ['']);
}
