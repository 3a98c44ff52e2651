import { httpBootstrap } from '../harness/configuration.ts';
import type { DifferentialFamily } from '../harness/family.ts';

export const basics: DifferentialFamily = {
  name: 'basics',
  about: 'methods, bodies, statuses and failures of plain HTTP',
  bootstrap: httpBootstrap([
    { name: 'dead', match: { prefix: '/dead' }, route: { cluster: 'dead' } },
    { name: 'h2', match: { prefix: '/h2' }, route: { cluster: 'h2' } },
    { name: 'a', match: { prefix: '/' }, route: { cluster: 'a' } },
  ]),
  cases: [
    { name: 'GET', does: {} },
    { name: 'POST', does: { method: 'POST', body: 'hello' } },
    { name: 'chunks', does: { method: 'POST', body: ['hello', 'world'], path: '/x?y' } },
    { name: 'h2 client', does: { kind: 'http2', method: 'POST', body: 'hello' } },
    {
      name: 'h2 upstream',
      does: { kind: 'http2', path: '/h2', method: 'POST', body: 'hello', trailers: [['x-end', 'yes']] },
      replies: { body: 'x', trailers: [['x-t', 'u']] },
    },
    { name: 'dead', does: { path: '/dead' } },
    { name: 'reset', does: {}, replies: { instead: 'reset' } },
  ],
  stats: ['http.main.downstream_rq_2xx', 'http.main.downstream_rq_total'],
};
