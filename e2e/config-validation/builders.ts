/** One bootstrap (YAML) and what Envoy 1.40 says to it in `--mode validate`. */
export interface ValidationCase {
  readonly name: string;
  readonly yaml: string;
}

export const type = 'type.googleapis.com/envoy';
export const indent = (text: string, by: number) =>
  text
    .trim()
    .split('\n')
    .join(`\n${' '.repeat(by)}`);

/** A bootstrap whose cluster `a` has these fields. */
export const cluster = (name: string, fields: string): ValidationCase => ({
  name: `cluster: ${name}`,
  yaml: `static_resources:\n  clusters:\n  - name: a\n    connect_timeout: 1s\n    ${indent(fields, 4)}\n`,
});

export const bootstrap = (name: string, yaml: string): ValidationCase => ({ name: `bootstrap: ${name}`, yaml });

export const clusters = `
  clusters:
  - name: backend
    connect_timeout: 1s
    type: STATIC
    load_assignment:
      cluster_name: backend
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]`;

export const router = `{name: envoy.filters.http.router, typed_config: {"@type": ${type}.extensions.filters.http.router.v3.Router}}`;

/** A listener with these fields beside name and address. */
export const listener = (name: string, fields: string): ValidationCase => ({
  name: `listener: ${name}`,
  yaml: `static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    ${indent(fields, 4)}${clusters}
`,
});

/** A connection manager; `filters` are put in place of the router, `fields` beside route_config. */
export const hcm = (name: string, fields: string, filters = `[${router}]`): ValidationCase =>
  listener(
    `http: ${name}`,
    `filter_chains:
- filters:
  - name: envoy.filters.network.http_connection_manager
    typed_config:
      "@type": ${type}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      stat_prefix: s
      http_filters: ${filters}
      ${indent(fields, 6)}`,
  );

export const host = (routes: string) => `route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [${routes}]}]}`;
export const anyRoute = host('{match: {prefix: /}, route: {cluster: backend}}');
export const route = (name: string, text: string): ValidationCase => hcm(`route: ${name}`, host(text));
export const hosts = (name: string, text: string): ValidationCase =>
  hcm(`virtual hosts: ${name}`, `route_config: {virtual_hosts: [${text}]}`);
export const httpFilter = (name: string, config: string, filterName = 'f'): ValidationCase =>
  hcm(
    `filter: ${name}`,
    anyRoute,
    `[{name: ${filterName}, typed_config: {"@type": ${type}.extensions.filters.http.${config}}}, ${router}]`,
  );
export const accessLog = (name: string, log: string): ValidationCase => hcm(`access log: ${name}`, `access_log: [${log}]\n${anyRoute}`);
export const file = (format: string) =>
  `{name: l, typed_config: {"@type": ${type}.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null, ${format}}}`;
export const networkFilter = (name: string, config: string): ValidationCase =>
  listener(
    `network filter: ${name}`,
    `filter_chains: [{filters: [{name: f, typed_config: {"@type": ${type}.extensions.filters.network.${config}}}]}]`,
  );
export const chain = 'filters: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]';
export const tls = (name: string, fields: string): ValidationCase =>
  listener(
    `tls: ${name}`,
    `filter_chains: [{${chain}, transport_socket: {name: tls, typed_config: {"@type": ${type}.extensions.transport_sockets.tls.v3.DownstreamTlsContext, ${fields}}}}]`,
  );
export const upstreamTls = (name: string, fields: string): ValidationCase =>
  cluster(
    `tls: ${name}`,
    `transport_socket: {name: tls, typed_config: {"@type": ${type}.extensions.transport_sockets.tls.v3.UpstreamTlsContext, ${fields}}}`,
  );
export const httpOptions = (name: string, fields: string): ValidationCase =>
  cluster(
    `http options: ${name}`,
    `typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": ${type}.extensions.upstreams.http.v3.HttpProtocolOptions, ${fields}}}`,
  );
export const healthCheck = (name: string, fields: string): ValidationCase =>
  cluster(`health check: ${name}`, `health_checks: [{${fields}}]`);
