import { describe, expect, it } from 'vitest';
import { schemaOf } from './run.ts';

describe('schemaOf', () => {
  it.each(['VirtualService', 'virtualservice', 'virtualservices', 'vs', 'virtualservices.networking.istio.io'])(
    'knows %s as kubectl does',
    (name) => expect(schemaOf(name)).toMatchObject({ title: 'VirtualService', properties: { kind: { const: 'VirtualService' } } }),
  );
  it('knows the settings of the mesh', () => expect(schemaOf('meshconfig')).toMatchObject({ title: 'MeshConfig' }));
  it('suggests what was meant', () => expect(() => schemaOf('VirtualServise')).toThrow('did you mean "VirtualService"?'));
});
