import { describe, expect, it } from 'vitest';
import { SDS_SOURCE, sdsFileSource } from './config-source.ts';

describe('files of a pod', () => {
  it('come from the agent`s usual socket, or from one of their own where the node says so', () => {
    const usual = sdsFileSource({});
    expect(usual.configSourceSpecifier).toEqual(SDS_SOURCE.configSourceSpecifier);
    expect(sdsFileSource({ 'file-credential': 'false' })).toEqual(usual);
    const own = sdsFileSource({ 'file-credential': 'true' });
    expect(own.configSourceSpecifier.value.grpcServices[0]?.targetSpecifier.value.clusterName).toBe('sds-files-grpc');
    // A file that is not there must not hold up its listener without end.
    expect('initialFetchTimeout' in own).toBe(false);
  });
});
