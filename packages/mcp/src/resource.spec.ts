import { decodeObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { fromResource, toResource } from './resource.ts';

describe('a ServiceEntry as a resource', () => {
  it('keeps the addresses that its status gives to hosts', () => {
    const decoded = decodeObject({
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: 'out', namespace: 'shop', resourceVersion: '7' },
      spec: { hosts: ['a.example.com'], resolution: 'DNS', ports: [{ number: 443, name: 'tls', protocol: 'TLS' }] },
      status: { addresses: [{ value: '240.240.0.1', host: 'a.example.com' }] },
    });
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
    const back = fromResource('istio/networking/v1alpha3/serviceentries', toResource(decoded.value));
    if (!back.ok) throw new Error(back.error);
    expect(back.value.allocated).toEqual([{ value: '240.240.0.1', host: 'a.example.com' }]);
    expect(back.value.metadata.annotations).toEqual({});
  });
});
