import { z } from 'zod';
import { duration, exportTo, int32, portNumber, stringMap, uint32, workloadSelector } from '../fields.ts';

export const localityLbSetting = z.strictObject({
  distribute: z
    .array(
      z.strictObject({
        from: z.string().default('').describe('Locality of the caller: region/zone/subzone, * at the end for any.'),
        to: z.record(z.string(), uint32).default({}).describe('Percentage by locality of the endpoints; all add up to 100.'),
      }),
    )
    .optional()
    .describe('Shares of the requests by where they come from.'),
  failover: z
    .array(
      z.strictObject({
        from: z.string().default('').describe('Region that fails.'),
        to: z.string().default('').describe('Region that stands in for it.'),
      }),
    )
    .optional()
    .describe('Region to turn to where endpoints of another fail; needs outlierDetection.'),
  failoverPriority: z
    .array(z.string())
    .optional()
    .describe('Labels, or label=value, in order: endpoints that share more of the first with the caller come first.'),
  enabled: z.boolean().optional().describe('Switches balancing by locality on or off, whatever the mesh has.'),
});

export const zoneAwareLbSetting = z.strictObject({
  enabled: z.boolean().optional().describe('Switches it on or off.'),
  failover: z
    .array(
      z.strictObject({
        from: z.string().default('').describe('Region that fails.'),
        to: z.string().default('').describe('Region that stands in for it.'),
      }),
    )
    .optional()
    .describe('Region to turn to where endpoints of another fail; needs outlierDetection.'),
  failoverPriority: z
    .array(z.string())
    .optional()
    .describe('Labels, in order: endpoints that share more of the first with the caller come first.'),
  minClusterSize: uint32.optional().describe('Number of endpoints below which zones do not matter.'),
});

const consistentHash = z.strictObject({
  httpHeaderName: z.string().optional().describe('Header whose value decides.'),
  httpCookie: z
    .strictObject({
      name: z.string().describe('Name of the cookie.'),
      path: z.string().optional().describe('Path of the cookie that is set.'),
      ttl: duration.optional().describe('Lifetime of the cookie that is set; 0s: until the browser is closed. Without it none is set.'),
      attributes: z
        .array(
          z.strictObject({
            name: z.string().describe('Name of the attribute.'),
            value: z.string().optional().describe('Value of the attribute.'),
          }),
        )
        .optional()
        .describe('Further attributes of the cookie that is set, such as SameSite.'),
    })
    .optional()
    .describe('Cookie whose value decides; it is set where it is missing.'),
  useSourceIp: z.boolean().optional().describe("The caller's address decides."),
  httpQueryParameterName: z.string().optional().describe('Query parameter whose value decides.'),
  ringHash: z
    .strictObject({ minimumRingSize: uint32.optional().describe('Least number of places on the ring; default 1024.') })
    .optional()
    .describe('Hashing on a ring; the default.'),
  maglev: z
    .strictObject({ tableSize: uint32.optional().describe('Size of the table: a prime number below 5000011.') })
    .optional()
    .describe('Hashing by a Maglev table.'),
  minimumRingSize: uint32.optional().describe('Deprecated: write ringHash.minimumRingSize.'),
});

const loadBalancer = z.strictObject({
  simple: z
    .enum(['UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'])
    .optional()
    .describe(
      'How an endpoint is chosen: LEAST_REQUEST (the default), ROUND_ROBIN, RANDOM, or PASSTHROUGH to the address that was called.',
    ),
  consistentHash: consistentHash.optional().describe('The same caller gets the same endpoint, by a hash of one of its marks.'),
  backendUtilization: z
    .strictObject({
      weightUpdatePeriod: duration.optional().describe('Time between two computations of the weights.'),
      weightStabilizationPeriod: duration.optional().describe('How long an endpoint must have reported before its weight counts.'),
      weightExpirationPeriod: duration.optional().describe('How long a weight counts without a new report.'),
      metricNamesForComputingUtilization: z.array(z.string()).optional().describe('Metrics of the reports that the weight is made of.'),
      errorUtilizationPenaltyPercent: uint32.optional().describe('What errors take from the weight, in percent.'),
    })
    .optional()
    .describe('Weights by the load that endpoints report. Without effect yet: the default is used.'),
  localityLbSetting: localityLbSetting.optional().describe("Preference of near endpoints, in place of the mesh's setting."),
  zoneAwareLbSetting: zoneAwareLbSetting
    .optional()
    .describe("Preference of the caller's own zone, weighed by how many endpoints each zone has."),
  warmupDurationSecs: duration.optional().describe('Deprecated: write warmup.duration.'),
  warmup: z
    .strictObject({
      duration: duration.optional().describe('How long the share grows.'),
      minimumPercent: z.number().optional().describe('Percentage of the full share that a new endpoint begins with; default 10.'),
      aggression: z.number().optional().describe('Shape of the growth: 1 is even, more is faster at first.'),
    })
    .optional()
    .describe('New endpoints get their full share only after a while.'),
});

export const connectionPool = z.strictObject({
  tcp: z
    .strictObject({
      maxConnections: int32.optional().describe('Most connections of one proxy to the destination.'),
      connectTimeout: duration.optional().describe('Time limit for making a connection, at least 1ms; default 10s.'),
      tcpKeepalive: z
        .strictObject({
          probes: uint32.optional().describe('Unanswered probes after which the connection counts as dead.'),
          time: duration.optional().describe('Idle time before the first probe.'),
          interval: duration.optional().describe('Time between probes.'),
        })
        .optional()
        .describe('Keepalive probes of TCP.'),
      maxConnectionDuration: duration.optional().describe('Age at which a connection is closed.'),
      idleTimeout: duration.optional().describe('Idle time after which a TCP connection is closed; 0s: never. Default: 1h.'),
    })
    .optional()
    .describe('Limits of connections.'),
  http: z
    .strictObject({
      http1MaxPendingRequests: int32.optional().describe('Most requests that wait for a connection; more get 503.'),
      http2MaxRequests: int32.optional().describe('Most requests at a time, whatever the version of HTTP; more get 503.'),
      maxRequestsPerConnection: int32
        .optional()
        .describe('Requests after which a connection is closed; 1 switches keep-alive off, 0 is no limit.'),
      maxRetries: int32.optional().describe('Most retries at a time to all endpoints of the destination.'),
      idleTimeout: duration.optional().describe('Idle time after which a connection is closed; default 1h.'),
      h2UpgradePolicy: z
        .enum(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'])
        .optional()
        .describe('Whether HTTP/1.1 requests are sent as HTTP/2.'),
      useClientProtocol: z.boolean().optional().describe('Speak to the destination the version of HTTP that the caller speaks.'),
      maxConcurrentStreams: int32.optional().describe('Most requests at a time on one HTTP/2 connection.'),
      http2KeepAlive: z
        .strictObject({
          interval: duration.optional().describe('Time between PING frames.'),
          timeout: duration.optional().describe('Time after which an unanswered PING ends the connection.'),
        })
        .optional()
        .describe('PING frames that keep HTTP/2 connections alive.'),
    })
    .optional()
    .describe('Limits of HTTP requests.'),
});

const outlierDetection = z.strictObject({
  consecutiveErrors: int32.optional().describe('Deprecated: write consecutive5xxErrors or consecutiveGatewayErrors.'),
  splitExternalLocalOriginErrors: z.boolean().optional().describe('Count failures to connect apart from errors that the endpoint answers.'),
  consecutiveLocalOriginFailures: uint32
    .optional()
    .describe('Failures to connect in a row that eject an endpoint; needs splitExternalLocalOriginErrors.'),
  consecutiveGatewayErrors: uint32.optional().describe('Answers 502, 503 or 504 in a row that eject an endpoint; 0 switches it off.'),
  consecutive5xxErrors: uint32
    .optional()
    .describe('Answers of 500 and above in a row that eject an endpoint; 0 switches it off. Default: 5.'),
  interval: duration.optional().describe('Time between two looks at the endpoints; default 10s.'),
  baseEjectionTime: duration.optional().describe('How long an endpoint stays ejected the first time; it grows with each. Default: 30s.'),
  maxEjectionPercent: int32.optional().describe('Most endpoints that may be ejected, in percent; default 10.'),
  minHealthPercent: int32.optional().describe('Percentage of healthy endpoints below which nothing is ejected and all are used.'),
  outlierDetectionHttpErrorCodes: z
    .array(z.int().min(100).max(599))
    .optional()
    .describe('Status codes that count as errors, in place of 500 and above.'),
});

export const clientTls = z.strictObject({
  mode: z
    .enum(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'])
    .optional()
    .describe("DISABLE: plain text; SIMPLE: TLS; MUTUAL: TLS with the client certificate given here; ISTIO_MUTUAL: with the mesh's own."),
  clientCertificate: z.string().optional().describe("File of the client's certificate, for MUTUAL."),
  privateKey: z.string().optional().describe("File of the client's key, for MUTUAL."),
  caCertificates: z
    .string()
    .optional()
    .describe("File of the certificates that the server's is verified by; without it and credentialName, the system's are used."),
  caCrl: z.string().optional().describe('File of the list of revoked certificates.'),
  credentialName: z
    .string()
    .optional()
    .describe('Secret that holds certificate, key and CA, in place of files; at gateways, or with a workloadSelector.'),
  subjectAltNames: z.array(z.string()).optional().describe("Names one of which the server's certificate must hold."),
  sni: z.string().optional().describe('Server name sent in the handshake.'),
  insecureSkipVerify: z.boolean().optional().describe("Do not verify the server's certificate."),
});

const portTrafficPolicy = z.strictObject({
  port: z
    .strictObject({ number: portNumber.describe('Port number, 1 to 65535.') })
    .optional()
    .describe('Port of the service that the settings are for.'),
  loadBalancer: loadBalancer.optional().describe('How endpoints are chosen.'),
  connectionPool: connectionPool.optional().describe('Limits of connections and requests.'),
  outlierDetection: outlierDetection.optional().describe('When failing endpoints are left out.'),
  tls: clientTls.optional().describe('TLS towards the destination.'),
});

export const trafficPolicy = z.strictObject({
  loadBalancer: loadBalancer.optional().describe('How endpoints are chosen.'),
  connectionPool: connectionPool.optional().describe('Limits of connections and requests.'),
  outlierDetection: outlierDetection.optional().describe('When failing endpoints are left out.'),
  tls: clientTls.optional().describe('TLS towards the destination.'),
  portLevelSettings: z
    .array(portTrafficPolicy)
    .optional()
    .describe('Settings of single ports; they take the place of those above, field by field left out means the default.'),
  tunnel: z
    .strictObject({
      protocol: z.string().optional().describe('CONNECT (the default) or POST.'),
      targetHost: z.string().describe('Host that the proxy connects to.'),
      targetPort: portNumber.describe('Port that the proxy connects to.'),
    })
    .optional()
    .describe('Tunnel TCP through a proxy by HTTP CONNECT or POST.'),
  proxyProtocol: z
    .strictObject({ version: z.enum(['V1', 'V2']).optional().describe('Version of the header: V1 (the default) or V2.') })
    .optional()
    .describe('Send a PROXY protocol header that tells of the caller.'),
  retryBudget: z
    .strictObject({
      percent: z.number().optional().describe('Percentage of the requests under way that may be retries; default 20.'),
      minRetryConcurrency: uint32.optional().describe('Retries that are always possible; default 3.'),
      budgetInterval: duration.optional().describe('Time over which requests are counted.'),
    })
    .optional()
    .describe('Retries as a share of the requests under way.'),
});

const subset = z.strictObject({
  name: z.string().describe('Name of the subset, as routes use it.'),
  labels: stringMap.optional().describe('Labels of the pods that belong to it.'),
  trafficPolicy: trafficPolicy.optional().describe('Settings in place of those of the rule.'),
});

export const destinationRuleSpec = z
  .strictObject({
    host: z.string().describe('Host of the registry, such as reviews, reviews.shop.svc.cluster.local or *.example.com.'),
    trafficPolicy: trafficPolicy.optional().describe('Settings of all calls to the host.'),
    subsets: z.array(subset).optional().describe("Parts of the host's endpoints that routes can name, such as versions."),
    exportTo: exportTo.describe('Namespaces that see the object: . is its own, * all; default: all.'),
    workloadSelector: workloadSelector.optional().describe('Callers that the rule is for; default: all.'),
  })
  .describe(
    'What happens to calls after their route is chosen: load balancing, limits, outlier detection and TLS towards a host and its subsets.',
  );

export type DestinationRuleSpec = z.infer<typeof destinationRuleSpec>;
export type TrafficPolicy = z.infer<typeof trafficPolicy>;
export type PortTrafficPolicy = z.infer<typeof portTrafficPolicy>;
export type Subset = z.infer<typeof subset>;
export type ConnectionPool = z.infer<typeof connectionPool>;
export type OutlierDetection = z.infer<typeof outlierDetection>;
export type ClientTls = z.infer<typeof clientTls>;
export type LoadBalancer = z.infer<typeof loadBalancer>;
