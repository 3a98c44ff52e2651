import type { TapEvent } from '@xebec/dataplane/tap';
import { describe, expect, it } from 'vitest';
import { EventTable } from './event-table.ts';
import { tapQuery, timeLimit } from './tap-query.ts';
import { parseTarget, selectorText } from './targets.ts';

const pod = { uid: '1', name: 'reviews-v1-abc', namespace: 'default' };
const event: TapEvent = {
  http_buffered_trace: {
    request: { headers: [{ key: ':path', value: '/reviews/0' }] },
    response: { headers: [{ key: ':status', value: '503' }] },
    downstream_connection: {},
  },
  summary: {
    start_time: '2026-11-21T18:32:33.368Z',
    direction: 'inbound',
    protocol: 'HTTP/1.1',
    request_method: 'GET',
    path: '/reviews/0\u001b[31m\u009b',
    authority: 'reviews:9080',
    response_code: 503,
    response_flags: ['UF', 'URX'],
    duration_ms: 7.654,
    route_name: 'default',
    upstream_cluster: 'inbound|9080||',
    upstream_remote_address: '10.0.0.1:9080',
    upstream_request_attempt_count: 3,
    request_body_bytes: 0,
    response_body_bytes: 95,
    mtls: true,
    source: { principal: 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage', workload: 'productpage-v1', namespace: 'default' },
    destination: { principal: 'spiffe://other.example/ns/default/sa/reviews', workload: 'reviews-v1', namespace: 'default' },
  },
};
const cells = (line: string) => line.trim().split(/ {2,}/);

describe('tables', () => {
  it('show who called whom, the outcome, the route and the identity, and let nothing speak to the terminal', () => {
    const row = new EventTable({ wide: false, headers: false }).row(event, pod);
    expect(cells(row)).toEqual([
      '18:32:33.368',
      'in',
      'productpage-v1.default',
      'reviews-v1.default',
      'GET',
      '/reviews/0\\x1b[31m\\x9b',
      '503',
      'UF,URX',
      '7.65',
      'default',
      'default/bookinfo-productpage',
      'reviews-v1-abc',
    ]);
  });
  it('show tries, upstream and the identity of the callee when they are wide', () => {
    const row = cells(new EventTable({ wide: true, headers: false }).row(event, pod));
    expect(row).toEqual(expect.arrayContaining(['10.0.0.1:9080', '3', 'yes', 'HTTP/1.1', 'other.example/ns/default/sa/reviews']));
  });
  it('show headers below a row for those who ask', () => {
    const row = new EventTable({ wide: false, headers: true }).row(event, pod);
    expect(row.split('\n').slice(1, 3)).toEqual(['    > :path: /reviews/0', '    < :status: 503']);
  });
  it('keep columns aligned with what came before', () => {
    const table = new EventTable({ wide: false, headers: false });
    table.row(event, pod);
    const header = table.header();
    expect(header.indexOf('CODE')).toBe(table.row(event, pod).indexOf('503'));
  });
});

describe('options', () => {
  const options = { maxRps: '50' };
  it('become the parameters of the page', () => {
    const query = tapQuery({
      ...options,
      path: '/reviews',
      status: '5xx,404',
      header: ['end-user:jason'],
      minDuration: '1.5s',
      showHeaders: true,
    });
    expect(query.toString()).toBe('path=%2Freviews&status=5xx%2C404&header=end-user%3Ajason&min_duration=1.5s&max_rps=50&show_headers=*');
  });
  it.each([
    [{ maxRps: '0' }, '--max-rps "0": must be a whole number from 1 to 1000'],
    [{ ...options, minDuration: 'soon' }, '--min-duration "soon": is no duration; write 250ms, 10s, 5m or 1h'],
    [{ ...options, flags: 'UF,XX' }, /^--flags "XX": is no response flag; there are LH, UH, /],
    [{ ...options, header: ['a b'] }, '--header "a b": is no header; write name, name:value or name:~expression'],
    [{ ...options, from: '' }, '--from "": is empty'],
  ])('%j are refused before any proxy is asked', (wrong, message) => {
    expect(() => tapQuery(wrong)).toThrow(message);
  });
  it('bound the time', () => {
    expect(timeLimit('1m30s')).toBe(90_000);
    expect(() => timeLimit('2h')).toThrow('--duration "2h": write a time up to 1h, such as 30s or 10m');
  });
});

describe('targets', () => {
  it.each([
    ['deploy/reviews-v1', { kind: 'deployment', name: 'reviews-v1', namespace: 'default' }],
    ['services/reviews.shop', { kind: 'service', name: 'reviews', namespace: 'shop' }],
    ['reviews.shop', { kind: undefined, name: 'reviews', namespace: 'shop' }],
    ['ns/shop', { kind: 'namespace', name: 'shop', namespace: 'default' }],
  ])('%s', (text, parsed) => {
    expect(parseTarget(text, 'default')).toEqual(parsed);
  });
  it.each(['secret/x', 'deploy/', 'deploy/A_b'])('%s is none', (text) => {
    expect(() => parseTarget(text, 'default')).toThrow(text);
  });
  it('select by labels and expressions', () => {
    const selector = {
      matchLabels: { app: 'a' },
      matchExpressions: [
        { key: 'v', operator: 'In', values: ['1', '2'] },
        { key: 'x', operator: 'DoesNotExist' },
      ],
    };
    expect(selectorText(selector)).toBe('app=a,v in (1,2),!x');
  });
});
