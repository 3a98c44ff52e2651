import { describe, expect, it } from 'vitest';
import { checkMeshConfig } from './check.ts';
import { decodeMeshConfig } from './decode.ts';

const zipkin = (fields: object) => ({ extensionProviders: [{ name: 'z', zipkin: fields }] });

describe('checkMeshConfig', () => {
  it.each([
    ['what is left out of a provider', zipkin({}), ['extensionProviders[0].zipkin.service', 'extensionProviders[0].zipkin.port']],
    ['a provider without name', { extensionProviders: [{ prometheus: {} }] }, ['extensionProviders[0].name']],
    ['a port that is none', zipkin({ service: 'z.a', port: 70000 }), ['extensionProviders[0].zipkin.port']],
    ['a share of traces beyond 100', { defaultConfig: { tracing: { sampling: 500 } } }, ['defaultConfig.tracing.sampling']],
    ['a null in a list of settings', { extensionProviders: [null], serviceSettings: [null] }, ['extensionProviders[0].name']],
    ['numbers written as text', { defaultConfig: { tracing: { sampling: '1e1' } } }, []],
  ])('lets %s pass, as it must not bring the mesh to a halt', (_, mesh, warnings) => {
    const found = checkMeshConfig(mesh);
    expect({ errors: found.errors, warnings: found.warnings.map(({ path }) => path) }).toEqual({ errors: [], warnings });
    expect(decodeMeshConfig(mesh).ok).toBe(true);
  });

  it.each([
    [{ connectTimeout: '2h' }, 'connectTimeout'],
    [{ defaultConfig: { drainDuration: '1500ms' } }, 'defaultConfig.drainDuration'],
    [{ ingressControllerMode: 'STRIKT' }, 'ingressControllerMode'],
    [{ trustDomain: 'a_b' }, 'trustDomain'],
    [{ trustDomainAliases: [null] }, 'trustDomainAliases[0]'],
  ])('refuses %j', (mesh, path) => {
    expect(checkMeshConfig(mesh).errors.map((violation) => violation.path)).toEqual([path]);
  });
});
