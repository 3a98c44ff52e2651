/** What Mixer decides in this suite: limits per user and plan, a list of keys, a closed service, a quota. */
export function policy(): string {
  const object = (kind: string, name: string, spec: object) =>
    JSON.stringify({ apiVersion: 'config.istio.io/v1alpha2', kind, metadata: { name, namespace: 'istio-system' }, spec });
  const limit = (requests: number) => ({ unit: 'hour', requests_per_unit: requests });
  return [
    object('handler', 'limits', {
      compiledAdapter: 'ratelimit',
      params: {
        domain: 'edge',
        responseHeaders: true,
        descriptors: [
          { key: 'user', rate_limit: limit(2) },
          { key: 'user', value: 'vip', rate_limit: limit(5) },
          { key: 'plan', value: 'trial', shadow_mode: true, rate_limit: limit(0) },
        ],
      },
    }),
    object('handler', 'keys', {
      compiledAdapter: 'listchecker',
      params: { overrides: ['good'], cachingInterval: '0s', cachingUseCount: 1 },
    }),
    object('instance', 'apikey', { compiledTemplate: 'listentry', params: { value: 'request.api_key | ""' } }),
    object('rule', 'keys', {
      match: 'request.url_path == "/keyed"',
      actions: [{ handler: 'keys', instances: ['apikey'] }],
      requestHeaderOperations: [{ name: 'x-checked', values: ['request.method'] }],
    }),
    object('handler', 'closed', { compiledAdapter: 'denier', params: { status: { code: 7, message: 'closed' } } }),
    object('instance', 'nothing', { compiledTemplate: 'checknothing' }),
    object('rule', 'closed', {
      match: 'destination.service.host == "admin.shop.svc.cluster.local"',
      actions: [{ handler: 'closed', instances: ['nothing'] }],
    }),
    object('handler', 'quotas', {
      compiledAdapter: 'memquota',
      params: { quotas: [{ name: 'requests', maxAmount: 3, validDuration: '1h' }] },
    }),
    object('instance', 'requests', { compiledTemplate: 'quota', params: { dimensions: { user: 'request.headers["x-user"] | ""' } } }),
    object('rule', 'quotas', { actions: [{ handler: 'quotas', instances: ['requests'] }] }),
  ].join('\n---\n');
}
