import { z } from 'zod';
import { connectionPool } from '../destination-rule/spec.ts';
import { labelSelector, portNumber } from '../fields.ts';
import { serverTls } from '../gateway/spec.ts';
import { destination } from '../virtual-service/spec.ts';

const sidecarPort = z.strictObject({
  number: z.int().min(0).max(65535).optional(),
  protocol: z.string().optional(),
  name: z.string().optional(),
  targetPort: portNumber.optional(),
});
const captureMode = z.enum(['DEFAULT', 'IPTABLES', 'NONE']);

export const outboundTrafficPolicy = z.strictObject({
  mode: z.enum(['REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS']).optional(),
  egressProxy: destination.optional(),
});

export const sidecarSpec = z.strictObject({
  workloadSelector: labelSelector.optional(),
  ingress: z
    .array(
      z.strictObject({
        port: sidecarPort,
        bind: z.string().optional(),
        captureMode: captureMode.optional(),
        defaultEndpoint: z.string().optional(),
        tls: serverTls.optional(),
        connectionPool: connectionPool.optional(),
      }),
    )
    .optional(),
  egress: z
    .array(
      z.strictObject({
        port: sidecarPort.optional(),
        bind: z.string().optional(),
        captureMode: captureMode.optional(),
        hosts: z.array(z.string()),
      }),
    )
    .optional(),
  inboundConnectionPool: connectionPool.optional(),
  outboundTrafficPolicy: outboundTrafficPolicy.optional(),
});

export type SidecarSpec = z.infer<typeof sidecarSpec>;
