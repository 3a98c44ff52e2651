import { expect, it } from 'vitest';
import { findKind, kinds, toCustomResourceDefinition } from './index.ts';

it('makes a structural CRD with all versions, columns and typed fields', () => {
  const kind = findKind('networking.istio.io/v1', 'VirtualService');
  expect(kind).toBeDefined();
  if (kind === undefined) return;
  const crd = toCustomResourceDefinition(kind);
  expect(crd).toMatchObject({
    metadata: { name: 'virtualservices.networking.istio.io' },
    spec: {
      names: { plural: 'virtualservices', shortNames: ['vs'] },
      versions: [
        {
          name: 'v1',
          storage: true,
          schema: {
            openAPIV3Schema: {
              properties: {
                spec: {
                  type: 'object',
                  properties: {
                    hosts: { type: 'array', items: { type: 'string' } },
                    http: {
                      items: {
                        properties: { match: { items: { properties: { headers: { additionalProperties: { type: 'object' } } } } } },
                      },
                    },
                  },
                },
              },
            },
          },
        },
        { name: 'v1beta1', storage: false },
        { name: 'v1alpha3', storage: false },
      ],
    },
  });
  const text = JSON.stringify(crd);
  expect(text).not.toContain('"additionalProperties":false');
  expect(text).not.toContain('$ref');
});

it('describes fields in the first version, for kubectl explain, and stays far below what an annotation of kubectl apply holds', () => {
  const definitions = kinds.map(toCustomResourceDefinition);
  expect(definitions.map((definition) => JSON.stringify(definition).length).filter((bytes) => bytes > 200_000)).toEqual([]);
  const { spec } = definitions[kinds.findIndex(({ kind }) => kind === 'Sidecar')] ?? {};
  const described = (description: unknown): unknown => ({
    schema: { openAPIV3Schema: { properties: { spec: { properties: { egress: { description } } } } } },
  });
  expect(spec).toMatchObject({ versions: [described(expect.stringContaining('Hosts that the sidecar knows')), {}, {}] });
  expect(JSON.stringify(spec).match(/Hosts that the sidecar knows/g)).toHaveLength(1);
});
