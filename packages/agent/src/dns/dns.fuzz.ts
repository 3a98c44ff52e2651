import type { FuzzTarget } from '@xebec/core';
import { encode } from 'dns-packet';
import { answerQuery, fitForUdp, serverFailure } from './answer.ts';
import { createNameTable } from './name-table.ts';
import { parseResolvConf } from './resolv-conf.ts';

const table = createNameTable(new Map([['a.example', { addresses: ['10.0.0.1', 'fd00::1'] }]]), ['default.svc.cluster.local']);
const query = (type: 'A' | 'AAAA' | 'TXT', name: string): Buffer =>
  encode({ id: 7, type: 'query', flags: 0x0100, questions: [{ type, name }] });
const maxReplyBytes = 4096;

export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: 'dns-query',
    seeds: [query('A', 'a.example'), query('AAAA', 'a.example.default.svc.cluster.local'), query('TXT', 'other.example')],
    dictionary: ['\xc0\x0c', '\x3f', '\0\x29', '\xff\xff', '\x01a\x07example\0'],
    check(input) {
      const verdict = answerQuery(input, table, true);
      if (verdict.kind === 'reply') {
        if (verdict.bytes.length > maxReplyBytes) throw new Error(`a reply of ${verdict.bytes.length} bytes`);
        if (verdict.bytes.readUInt16BE(0) !== input.readUInt16BE(0)) throw new Error('the reply has another identifier');
      }
      if (input.length < 12) return;
      if ((serverFailure(input).readUInt8(3) & 0x0f) === 0) throw new Error('a failure says success');
      if (fitForUdp(input, 512).length > 512) throw new Error('a reply is larger than its client takes');
    },
  },
  {
    name: 'resolv-conf',
    seeds: [Buffer.from('nameserver 10.0.0.1\nsearch a.example b.example\noptions ndots:5\n')],
    dictionary: ['nameserver ', 'search ', '\n', '#'],
    check(input) {
      if (parseResolvConf(input.toString('latin1')).servers.length > 3) throw new Error('more than three servers');
    },
  },
];
