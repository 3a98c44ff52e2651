import { describe, expect, it } from 'vitest';
import { compileCondition, compileValueExpression } from '../access-log/condition.ts';
import { testStreamInfo } from '../test-stream-info.ts';

const info = testStreamInfo();
Object.assign(info, {
  responseCode: 503,
  bytesReceived: 12,
  upstreamCluster: 'outbound|80||a',
  clusterMetadata: { istio: { services: [{ name: 'a' }] } },
});
info.filterState.set('downstream_peer', { workload: 'client-v1', app: 'client', labels: { team: 'red' } });
info.filterState.set('wasm.istio_operationId', 'ListBooks');
const context = {
  info,
  request: { method: 'GET', path: '/a?b=c', authority: 'host:80', scheme: 'http', headers: ['x-a', '1', 'user-agent', 'curl'] },
  response: { status: 503, headers: [] },
};
const node = { id: 'n', cluster: 'c', metadata: { NAMESPACE: 'ns', LABELS: { app: 'web' } } };

describe('CEL over a stream', () => {
  it.each<[string, string | number | boolean | undefined]>([
    ["'gateway'", 'gateway'],
    ["'x-a' in request.headers ? 'yes' : 'no'", 'yes'],
    ["'x-b' in request.headers", false],
    ['string(destination.port)', String(info.connection.localPort)],
    ["request.method + ' ' + request.url_path", 'GET /a'],
    ['response.code / 100', 5],
    ['response.code >= 500 && size(request.headers) > 1', true],
    ["request.path.matches('^/[a-z]')", true],
    ['request.query', 'b=c'],
    ["'_' + xds.node.metadata['NAMESPACE']", '_ns'],
    ['node.metadata.LABELS.app', 'web'],
    ['xds.cluster_metadata.filter_metadata.istio.services[0].name', 'a'],
    ['filter_state.downstream_peer.workload', 'client-v1'],
    ["downstream_peer.labels['team']", 'red'],
    ['istio_operationId', 'ListBooks'],
    ["upstream_peer.app + ''", undefined],
    ['nobody_knows', undefined],
    ['request.headers', undefined],
  ])('%s is %s', (source, value) => {
    expect(compileValueExpression(source, { node })(context)).toBe(value);
  });
  it('is false as a condition where something is absent', () => {
    expect(compileCondition("upstream_peer.app.startsWith('a') || size('a') == 2")(context)).toBe(false);
    expect(compileCondition("response.code in [500, 503] && !('x-b' in request.headers)")(context)).toBe(true);
  });
  it.each(['cannot _ parse | x', '1 +', "request.headers['a"])('refuses %s', (source) => {
    expect(() => compileValueExpression(source)).toThrow(/E_CEL|condition/);
  });
});
