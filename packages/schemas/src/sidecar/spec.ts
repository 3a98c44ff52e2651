import { z } from 'zod';
import { connectionPool } from '../destination-rule/spec.ts';
import { labelSelector, portNumber } from '../fields.ts';
import { serverTls } from '../gateway/spec.ts';
import { destination } from '../virtual-service/spec.ts';

const sidecarPort = z.strictObject({
  number: z.int().min(0).max(65535).optional().describe('Port number.'),
  protocol: z.string().optional().describe('HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP or TLS.'),
  name: z.string().optional().describe('Name of the port.'),
  targetPort: portNumber.optional().describe('Deprecated and without effect.'),
});
const captureMode = z.enum(['DEFAULT', 'IPTABLES', 'NONE']);

export const outboundTrafficPolicy = z.strictObject({
  mode: z
    .enum(['REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS'])
    .optional()
    .describe(
      'Calls to hosts that the mesh does not know: ALLOW_ANY lets them pass, REGISTRY_ONLY ends them, ALLOW_ANY_DYNAMIC_DNS resolves their names at the proxy.',
    ),
  egressProxy: destination.optional().describe('Service that calls to unknown hosts go through.'),
});

export const sidecarSpec = z
  .strictObject({
    workloadSelector: labelSelector.optional().describe('Pods that it is for; none: all of the namespace.'),
    ingress: z
      .array(
        z.strictObject({
          port: sidecarPort.describe('Port that is listened at.'),
          bind: z.string().optional().describe("Address that is listened at; default: the pod's."),
          captureMode: captureMode
            .optional()
            .describe('How traffic gets to the listener: IPTABLES redirects it, NONE leaves it to the callers.'),
          defaultEndpoint: z
            .string()
            .optional()
            .describe("Where requests are sent: 127.0.0.1:PORT, 0.0.0.0:PORT (the pod's address) or unix:///path."),
          tls: serverTls.optional().describe('TLS towards callers from outside of the mesh.'),
          connectionPool: connectionPool.optional().describe('Limits of connections and requests to the application.'),
        }),
      )
      .optional()
      .describe("Listeners for what comes in, in place of one for each port of the pod's services."),
    egress: z
      .array(
        z.strictObject({
          port: sidecarPort.optional().describe('Port of a listener of its own; default: one for each port of the services.'),
          bind: z.string().optional().describe('Address that is listened at, or unix:///path with a port.'),
          captureMode: captureMode
            .optional()
            .describe('How traffic gets to the listener: IPTABLES redirects it, NONE leaves it to the application.'),
          hosts: z
            .array(z.string())
            .describe('Hosts as namespace/host, such as ./* for the own namespace or shop/*.example.com; ~/* for none.'),
        }),
      )
      .optional()
      .describe('Hosts that the sidecar knows, by listener; what is not listed is unknown to it.'),
    inboundConnectionPool: connectionPool.optional().describe('Limits of connections and requests to the application.'),
    outboundTrafficPolicy: outboundTrafficPolicy
      .optional()
      .describe("What happens to calls to unknown hosts, in place of the mesh's setting."),
  })
  .describe('What the sidecars of a namespace or workload listen to and know of the mesh; it keeps their configuration small.');

export type SidecarSpec = z.infer<typeof sidecarSpec>;
