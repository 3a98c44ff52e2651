import { create, toBinary } from '@bufbuild/protobuf';
import { AggregatedDiscoveryService } from '@xebec/protos/envoy/service/discovery/v3/ads';
import { DeltaDiscoveryRequestSchema, DiscoveryRequestSchema } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { serviceDefinition } from '@xebec/rpc';
import { beforeEach, describe, expect, it } from 'vitest';
import { withSharedRequests } from './shared-requests.ts';
import type { XdsRequest } from './xds-request.ts';

const NAMES = Array.from({ length: 200 }, (_, index) => `outbound|80||service-${index}.default.svc.cluster.local`);

type Decode = (bytes: Buffer) => XdsRequest;
let sotw: Decode;
let delta: Decode;

beforeEach(() => {
  const service = withSharedRequests(serviceDefinition(AggregatedDiscoveryService));
  sotw = service['StreamAggregatedResources']?.requestDeserialize as Decode;
  delta = service['DeltaAggregatedResources']?.requestDeserialize as Decode;
});

const sotwBytes = (fields: { names: string[]; nonce?: string; node?: string; version?: string }) =>
  Buffer.from(
    toBinary(
      DiscoveryRequestSchema,
      create(DiscoveryRequestSchema, {
        typeUrl: 'type',
        resourceNames: fields.names,
        responseNonce: fields.nonce ?? '',
        versionInfo: fields.version ?? '',
        ...(fields.node === undefined ? {} : { node: { id: fields.node } }),
      }),
    ),
  );

describe('requests with long lists of names', () => {
  it('share the list, whatever stands around it', () => {
    const first = sotw(sotwBytes({ names: NAMES, node: 'one' }));
    const ack = sotw(sotwBytes({ names: [...NAMES], nonce: '7', version: 'v2' }));
    expect(ack).toMatchObject({ typeUrl: 'type', responseNonce: '7', versionInfo: 'v2' });
    expect(ack).toHaveProperty('resourceNames', NAMES);
    expect(Reflect.get(ack, 'resourceNames')).toBe(Reflect.get(first, 'resourceNames'));
  });

  it('have lists of their own where these differ, if only by their length', () => {
    for (const names of [NAMES, NAMES.slice(1), [...NAMES, 'another'], NAMES.slice(0, -1), [...NAMES].reverse(), NAMES])
      expect(sotw(sotwBytes({ names, nonce: '1' }))).toMatchObject({ resourceNames: names, responseNonce: '1' });
  });

  it('are read as always where names stand in several places', () => {
    sotw(sotwBytes({ names: NAMES }));
    const split = Buffer.concat([sotwBytes({ names: NAMES, nonce: '1' }), sotwBytes({ names: ['last'], nonce: '2' })]);
    expect(sotw(split)).toMatchObject({ resourceNames: [...NAMES, 'last'], responseNonce: '2' });
    expect(sotw(split)).toMatchObject({ resourceNames: [...NAMES, 'last'], responseNonce: '2' });
  });

  it('are Delta requests too', () => {
    const bytes = (nonce: string) =>
      Buffer.from(
        toBinary(
          DeltaDiscoveryRequestSchema,
          create(DeltaDiscoveryRequestSchema, { typeUrl: 'type', resourceNamesSubscribe: NAMES, responseNonce: nonce }),
        ),
      );
    const [first, second] = [delta(bytes('')), delta(bytes('2'))];
    expect(second).toMatchObject({ resourceNamesSubscribe: NAMES, responseNonce: '2' });
    expect(Reflect.get(second, 'resourceNamesSubscribe')).toBe(Reflect.get(first, 'resourceNamesSubscribe'));
  });

  it('are refused when they are cut off', () => {
    const whole = sotwBytes({ names: NAMES, nonce: '1' });
    sotw(whole);
    for (const end of [whole.length - 1, 3_000]) expect(() => sotw(whole.subarray(0, end))).toThrow();
  });
});
