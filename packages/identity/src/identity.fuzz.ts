import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { FuzzTarget } from '@xebec/core';
import { parseCertificate } from './certificate.ts';
import { createCsr, parseCsr } from './csr.ts';
import { readDer } from './der.ts';
import { certificateOf, leafShape, name, spkiOf } from './refusals/build.ts';
import { readCompactToken } from './token/compact-token.ts';
import { parseXfcc } from './xfcc.ts';

// The same key for every run, so that inputs of a seed stay the same: for these readers its secret is worth nothing.
const privateKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]),
  format: 'der',
  type: 'pkcs8',
});
const publicKey = createPublicKey(privateKey);
const certificate = Buffer.from(certificateOf(leafShape(name('root'), privateKey, spkiOf(publicKey))));
const request = Buffer.from(createCsr({ privateKey, publicKey }, ['spiffe://cluster.local/ns/a/sa/b']));
const der = ['\x30\x80', '\x30\x84\xff\xff\xff\xff', '\x02\x02\x00\x01', '\x03\x01\x00', '\x31\x00', '\xa0\x00', '\x06\x03\x55\x1d\x11'];

/** Throws unless what was read is what is there: no byte of the input may be passed over. */
function checkTree(input: Buffer): void {
  let node: ReturnType<typeof readDer>;
  try {
    node = readDer(input);
  } catch (error) {
    if (error instanceof Error && error.name === 'XebecError') return;
    throw error;
  }
  const check = (part: typeof node): void => {
    if ((part.tag & 0x20) === 0) return;
    const length = part.children.reduce((sum, child) => sum + child.raw.length, 0);
    if (length !== part.content.length) throw new Error(`children of ${length} bytes in ${part.content.length}`);
    for (const child of part.children) check(child);
  };
  if (node.raw.length !== input.length) throw new Error('bytes were passed over');
  check(node);
}

export const fuzzTargets: readonly FuzzTarget[] = [
  { name: 'der', seeds: [certificate], dictionary: der, check: checkTree },
  {
    name: 'certificate',
    seeds: [certificate],
    dictionary: der,
    check(input) {
      const result = parseCertificate(input);
      if (result.ok && result.value.signedBy(publicKey) && !certificate.equals(input)) throw new Error('a forgery passes for signed');
    },
  },
  {
    name: 'certificate-request',
    seeds: [request],
    dictionary: ['-----BEGIN ', '-----END ', 'CERTIFICATE REQUEST-----', '\r\n', 'MIIB', '=='],
    check(input) {
      const result = parseCsr(input.toString('latin1'));
      if (result.ok && !Buffer.from(result.value.spki).equals(spkiOf(publicKey))) throw new Error('a request for another key passes');
    },
  },
  {
    name: 'xfcc',
    seeds: [Buffer.from('By=spiffe://a/b;Hash=ab;Subject="CN=\\"x\\",O=y";URI=spiffe://c/d;DNS=e,By=f;URI=g')],
    dictionary: ['"', '\\"', ';', ',', '=', 'URI=', 'By=', 'Cert="', ' '],
    check(input) {
      const result = parseXfcc(input.toString('latin1'));
      if (result.ok && result.value.length === 0) throw new Error('a header without elements');
    },
  },
  {
    name: 'compact-token',
    seeds: [Buffer.from('eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIiwiYXVkIjpbImIiXX0.AAAA')],
    dictionary: ['.', '..', 'e30', 'eyI', '=', 'bnVsbA'],
    check(input) {
      readCompactToken(input.toString('latin1'));
    },
  },
];
