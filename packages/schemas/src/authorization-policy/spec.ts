import { z } from 'zod';
import { targetReference, workloadSelector } from '../fields.ts';

const strings = z.array(z.string()).optional();

const source = z.strictObject({
  principals: strings.describe(
    "Identities of the caller's certificate, such as cluster.local/ns/shop/sa/web; * at the start or end, or alone for any.",
  ),
  notPrincipals: strings.describe('Identities that the caller must not have.'),
  requestPrincipals: strings.describe('Issuer and subject of the token, as issuer/subject; * alone for any valid token.'),
  notRequestPrincipals: strings.describe('Issuers and subjects that the token must not have; * alone: no token.'),
  namespaces: strings.describe("Namespaces of the caller's identity."),
  notNamespaces: strings.describe('Namespaces that the caller must not be of.'),
  serviceAccounts: strings.describe('Service accounts of the caller, as namespace/name or name in this namespace.'),
  notServiceAccounts: strings.describe('Service accounts that the caller must not have.'),
  ipBlocks: strings.describe("Addresses of the connection's other end, such as 10.0.0.0/8."),
  notIpBlocks: strings.describe('Addresses that the connection must not come from.'),
  remoteIpBlocks: strings.describe('Addresses of the first caller, by X-Forwarded-For or the PROXY protocol.'),
  notRemoteIpBlocks: strings.describe('Addresses that the first caller must not have.'),
  trustDomains: strings.describe("Trust domains of the caller's identity."),
  notTrustDomains: strings.describe('Trust domains that the caller must not be of.'),
});

const operation = z.strictObject({
  hosts: strings.describe('Hosts of the request; compared without case.'),
  notHosts: strings.describe('Hosts that the request must not be for.'),
  ports: strings.describe('Ports of the workload, as text: "8080".'),
  notPorts: strings.describe('Ports that the request must not come in at.'),
  methods: strings.describe('Methods such as GET; for gRPC always POST.'),
  notMethods: strings.describe('Methods that the request must not have.'),
  paths: strings.describe('Paths such as /info, /admin* or /users/{*}; for gRPC /package.Service/Method.'),
  notPaths: strings.describe('Paths that the request must not have.'),
});

const condition = z.strictObject({
  key: z
    .string()
    .default('')
    .describe('Attribute, such as request.headers[x-user], request.auth.claims[groups], source.ip or connection.sni.'),
  values: strings.describe('Values one of which the attribute must have.'),
  notValues: strings.describe('Values none of which the attribute may have.'),
});

const rule = z.strictObject({
  from: z
    .array(z.strictObject({ source: source.optional().describe('All of these must hold.') }))
    .optional()
    .describe('Callers, any of them; none: all.'),
  to: z
    .array(z.strictObject({ operation: operation.optional().describe('All of these must hold.') }))
    .optional()
    .describe('Requests, any of them; none: all.'),
  when: z.array(condition).optional().describe('Further conditions, all of them.'),
});

export const authorizationPolicySpec = z
  .strictObject({
    selector: workloadSelector
      .optional()
      .describe('Pods that it is for; none: all of the namespace, or of the mesh from the root namespace.'),
    targetRef: targetReference.optional().describe('Gateway or service that it is for, in place of a selector.'),
    targetRefs: z.array(targetReference).optional().describe('Gateways or services that it is for, in place of a selector.'),
    rules: z.array(rule).optional().describe('The policy matches where one of them does; none: never, and {} always.'),
    action: z
      .enum(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'])
      .optional()
      .describe('What happens to a request that matches: ALLOW (the default), DENY, AUDIT, or CUSTOM by the provider.'),
    provider: z
      .strictObject({ name: z.string().optional().describe('Name of an extension provider of the mesh configuration.') })
      .optional()
      .describe('Who decides, for CUSTOM.'),
  })
  .describe('Who may call a workload, and how. With an ALLOW policy, what none allows is refused.');

export type AuthorizationPolicySpec = z.infer<typeof authorizationPolicySpec>;
export type AuthorizationRule = z.infer<typeof rule>;
export type AuthorizationSource = z.infer<typeof source>;
export type AuthorizationOperation = z.infer<typeof operation>;
export type AuthorizationCondition = z.infer<typeof condition>;
