import { describe, expect, it } from 'vitest';
import { findingsOf } from '../testing-check.ts';

describe('checkPeerAuthentication', () => {
  it.each([
    ['{}', []],
    ['{mtls: {mode: STRICT}}', []],
    ['{selector: {matchLabels: {app: a}}, portLevelMtls: {80: {mode: DISABLE}}}', []],
    ['{portLevelMtls: {80: {}}}', ['spec.portLevelMtls: needs spec.selector: ports are of workloads, not of a namespace or the mesh']],
    ['{selector: {matchLabels: {app: a}}, portLevelMtls: {}}', ['spec.portLevelMtls: must name at least one port; leave it out otherwise']],
    [
      '{selector: {matchLabels: {app: a}}, portLevelMtls: {0: {}, 70000: {}}}',
      [
        'spec.portLevelMtls.0: "0" is not a port: write a number from 1 to 65535',
        'spec.portLevelMtls.70000: "70000" is not a port: write a number from 1 to 65535',
      ],
    ],
    ['{selector: {matchLabels: {"": b}}}', ['spec.selector.matchLabels: the label of "=b" has no name']],
    [
      '{selector: {}}',
      ['warning spec.selector.matchLabels: a selector without labels selects every workload of the namespace; leave it out'],
    ],
  ])('%s', (spec, wanted) => expect(findingsOf('PeerAuthentication', spec)).toEqual(wanted));
});
