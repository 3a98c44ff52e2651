import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { createMemorySource } from './memory.ts';
import { configSourceAddresses, createSourceAt } from './source-address.ts';

function nameAt(address: string): string {
  return createSourceAt(address, {
    id: 'xebec-test',
    collections: [],
    defaultNamespace: 'default',
    kubernetes: () => createMemorySource([], 'Kubernetes'),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  }).name;
}

describe('addresses of sources', () => {
  it.each([
    ['fs:///etc/mesh', 'directory /etc/mesh'],
    ['k8s://', 'Kubernetes'],
    ['git:///srv/mesh.git?ref=release&path=prod', 'Git /srv/mesh.git at release'],
    ['git:///srv/with%20space', 'Git /srv/with space at HEAD'],
    ['mcp://galley:9901', 'MCP galley:9901'],
    ['xds://istiod.istio-system:15010', 'xDS istiod.istio-system:15010'],
  ])('%s', (address, name) => {
    expect(nameAt(address)).toBe(name);
  });

  it.each([
    ['etc/mesh', 'not an address'],
    ['fs://etc/mesh', 'three slashes'],
    ['git://github.com/mesh', 'must be on this machine'],
    ['git:///srv/mesh?branch=x', 'it knows ref and path, but not "branch"'],
    ['xds://istiod', 'a host and a port are needed'],
    ['http://x:1', '"http://" is no kind of source'],
  ])('%s is refused with a line that says what to write', (address, why) => {
    expect(() => nameAt(address)).toThrow(why);
    expect(() => nameAt(address)).toThrow('fs:///DIRECTORY, k8s://');
  });

  it('stand in meshConfig.configSources', () => {
    expect(configSourceAddresses([{ address: 'k8s://' }, { tlsSettings: {} }, { address: 'fs:///x' }])).toEqual(['k8s://', 'fs:///x']);
    expect(configSourceAddresses(undefined)).toEqual([]);
  });
});
