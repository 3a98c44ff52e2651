import { z } from 'zod';
import { exportTo, labelSelector, portNumber } from '../fields.ts';
import { workloadEntrySpec } from '../workload-entry/spec.ts';

const servicePort = z.strictObject({
  number: portNumber,
  protocol: z.string().optional(),
  name: z.string().optional(),
  targetPort: portNumber.optional(),
});

export const serviceEntrySpec = z.strictObject({
  hosts: z.array(z.string()),
  addresses: z.array(z.string()).optional(),
  ports: z.array(servicePort).optional(),
  location: z.enum(['MESH_EXTERNAL', 'MESH_INTERNAL']).optional(),
  resolution: z.enum(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS']).optional(),
  endpoints: z.array(workloadEntrySpec).optional(),
  workloadSelector: labelSelector.optional(),
  exportTo,
  subjectAltNames: z.array(z.string()).optional(),
});

export type ServiceEntrySpec = z.infer<typeof serviceEntrySpec>;
