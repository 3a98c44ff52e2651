import type { FuzzTarget } from '@xebec/core';
import { encodePeerExchange, PeerExchangeReader } from './peer-exchange.ts';

const introduction = encodePeerExchange({
  id: 'sidecar~10.0.0.1~a-0.default~default.svc.cluster.local',
  cluster: 'a',
  metadata: { NAME: 'a-0', NAMESPACE: 'default', WORKLOAD_NAME: 'a-v1', CLUSTER_ID: 'Kubernetes', LABELS: { app: 'a', version: 'v1' } },
});

const seeds = [
  Buffer.concat([introduction, Buffer.from('hello')]),
  introduction.subarray(0, 6),
  introduction.subarray(0, 40),
  Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  Buffer.from('3d23046700000000', 'hex'),
  Buffer.from('3d230467ffffffff6d7563682d746f2d6c6f6e67', 'hex'),
  Buffer.from('3d230468', 'hex'),
];

function readIn(pieces: readonly Buffer[]): { readonly text: string; readonly state: string; readonly peer: string } {
  const reader = new PeerExchangeReader();
  const rest = pieces.map((piece) => {
    // What was lent is overwritten once it has been read.
    const lent = Buffer.from(piece);
    const passed = Buffer.from(reader.read(lent, false));
    lent.fill(0);
    return passed;
  });
  rest.push(Buffer.from(reader.read(Buffer.alloc(0), true)));
  return { text: Buffer.concat(rest).toString('latin1'), state: reader.state, peer: JSON.stringify(reader.peer ?? null) };
}

/** However the bytes are cut, the application gets the same; without an introduction it gets all of them. */
function check(input: Buffer): void {
  const whole = readIn([input]);
  const bytes = Array.from(input.subarray(0, 2000), (_, i) => input.subarray(i, i + 1));
  const cut = readIn([...bytes, input.subarray(2000)]);
  if (JSON.stringify(cut) !== JSON.stringify(whole)) throw new Error(`cut it is ${JSON.stringify(cut)}, whole ${JSON.stringify(whole)}`);
  if (whole.state === 'silent' && whole.text !== input.toString('latin1')) throw new Error('bytes of the application are lost');
  if (!input.toString('latin1').endsWith(whole.text)) throw new Error('bytes are made up');
}

export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: 'peer-exchange',
    seeds,
    dictionary: ['\x3d\x23\x04\x67', '\x00\x00\x00\x00', '\x00\x01\x00\x00', 'type.googleapis.com/google.protobuf.Struct'],
    check,
  },
];
