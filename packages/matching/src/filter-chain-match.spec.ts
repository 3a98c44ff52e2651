import { create } from '@bufbuild/protobuf';
import {
  type FilterChainMatch,
  FilterChainMatchSchema,
  FilterChainMatch_ConnectionSourceType as SourceType,
} from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { describe, expect, it } from 'vitest';
import { type ConnectionTraits, FilterChainMatcher } from './filter-chain-match.ts';

type Init = Parameters<typeof create<typeof FilterChainMatchSchema>>[1];

const traits: ConnectionTraits = {
  destinationAddress: '10.0.0.1',
  destinationPort: 9080,
  sourceAddress: '10.0.0.2',
  directSourceAddress: '10.0.0.2',
  sourcePort: 40_000,
  serverName: '',
  transportProtocol: 'raw_buffer',
  applicationProtocols: [],
};

function matcher(chains: Record<string, Init>, fallback?: string) {
  const entries = Object.entries(chains).map(([value, init]): { value: string; match: FilterChainMatch } => ({
    value,
    match: create(FilterChainMatchSchema, init),
  }));
  return new FilterChainMatcher(entries, fallback);
}

const prefix = (addressPrefix: string, prefixLen: number) => ({ addressPrefix, prefixLen: prefixLen });

describe('filter chain choice', () => {
  it('goes criterion by criterion, without going back', () => {
    const chains = matcher({ port: { destinationPort: 9080, serverNames: ['a.example'] }, any: {} });
    // The chain of the port won on the port; that its server name does not fit then leaves none.
    expect(chains.find(traits)).toBeUndefined();
    expect(chains.find({ ...traits, serverName: 'a.example' })).toBe('port');
    expect(chains.find({ ...traits, destinationPort: 1 })).toBe('any');
  });

  it('prefers longer prefixes and names', () => {
    const byAddress = matcher({ wide: { prefixRanges: [prefix('10.0.0.0', 8)] }, close: { prefixRanges: [prefix('10.0.0.0', 24)] } });
    expect(byAddress.find(traits)).toBe('close');
    const byName = matcher({ wildcard: { serverNames: ['*.example'] }, exact: { serverNames: ['a.example'] } }, 'default');
    expect(byName.find({ ...traits, serverName: 'a.example' })).toBe('exact');
    expect(byName.find({ ...traits, serverName: 'b.example' })).toBe('wildcard');
    expect(byName.find(traits)).toBe('default');
  });

  it('tells what passed a chain over', () => {
    const chains = matcher({
      mtls: { destinationPort: 9080, transportProtocol: 'tls', applicationProtocols: ['istio'] },
      plain: { destinationPort: 9080, transportProtocol: 'raw_buffer' },
      other: { destinationPort: 80 },
      local: { destinationPort: 9080, transportProtocol: 'raw_buffer', sourceType: SourceType.SAME_IP_OR_LOOPBACK },
    });
    expect(chains.explain(traits)).toEqual({
      chosen: 'plain',
      byDefault: false,
      passedOver: [
        { value: 'other', criterion: 'destination port', misfit: true },
        { value: 'mtls', criterion: 'transport protocol', misfit: true },
        { value: 'local', criterion: 'source type', misfit: true },
      ],
    });
    expect(matcher({ port: { destinationPort: 80 } }, 'default').explain(traits)).toMatchObject({ chosen: 'default', byDefault: true });
    const closer = matcher({ wide: {}, close: { destinationPort: 9080 } }).explain(traits);
    expect(closer).toMatchObject({ chosen: 'close', passedOver: [{ value: 'wide', criterion: 'destination port', misfit: false }] });
  });
});
