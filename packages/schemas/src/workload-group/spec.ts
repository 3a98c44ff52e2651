import { z } from 'zod';
import { int32, portNumber, stringMap } from '../fields.ts';
import { workloadEntrySpec } from '../workload-entry/spec.ts';

const probe = z.strictObject({
  initialDelaySeconds: int32.optional(),
  timeoutSeconds: int32.optional(),
  periodSeconds: int32.optional(),
  successThreshold: int32.optional(),
  failureThreshold: int32.optional(),
  httpGet: z
    .strictObject({
      path: z.string().optional(),
      port: portNumber,
      host: z.string().optional(),
      scheme: z.string().optional(),
      httpHeaders: z.array(z.strictObject({ name: z.string(), value: z.string().optional() })).optional(),
    })
    .optional(),
  tcpSocket: z.strictObject({ host: z.string().optional(), port: portNumber }).optional(),
  exec: z.strictObject({ command: z.array(z.string()) }).optional(),
  grpc: z.strictObject({ port: portNumber.optional(), service: z.string().optional() }).optional(),
});

export const workloadGroupSpec = z.strictObject({
  metadata: z.strictObject({ labels: stringMap.optional(), annotations: stringMap.optional() }).optional(),
  template: workloadEntrySpec,
  probe: probe.optional(),
});

export type WorkloadGroupSpec = z.infer<typeof workloadGroupSpec>;
