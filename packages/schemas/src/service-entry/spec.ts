import { z } from 'zod';
import { exportTo, labelSelector, portNumber } from '../fields.ts';
import { workloadEntrySpec } from '../workload-entry/spec.ts';

const servicePort = z.strictObject({
  number: portNumber.describe('Port number, 1 to 65535.'),
  protocol: z.string().optional().describe('HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP or TLS; default TCP.'),
  name: z.string().optional().describe('Name of the port, unlike that of all others.'),
  targetPort: portNumber.optional().describe('Port of the endpoints, where it is another.'),
});

export const serviceEntrySpec = z
  .strictObject({
    hosts: z
      .array(z.string())
      .describe('Hosts of the service, such as api.example.com; *.example.com with resolution NONE or DYNAMIC_DNS.'),
    addresses: z.array(z.string()).optional().describe('Virtual addresses or subnets of the service, which TCP is told apart by.'),
    ports: z.array(servicePort).optional().describe('Ports of the service.'),
    location: z
      .enum(['MESH_EXTERNAL', 'MESH_INTERNAL'])
      .optional()
      .describe('MESH_INTERNAL: its endpoints have sidecars; MESH_EXTERNAL (the default): they have none.'),
    resolution: z
      .enum(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'])
      .optional()
      .describe(
        'How endpoints are found: NONE as the caller addressed them, STATIC by endpoints or workloadSelector, DNS or DNS_ROUND_ROBIN by name, DYNAMIC_DNS by the name of each request.',
      ),
    endpoints: z.array(workloadEntrySpec).optional().describe('Endpoints of the service, each as a WorkloadEntry.'),
    workloadSelector: labelSelector
      .optional()
      .describe('Pods and WorkloadEntries of the namespace that are the endpoints, in place of endpoints.'),
    exportTo: exportTo.describe('Namespaces that see the object: . is its own, * all; default: all.'),
    subjectAltNames: z.array(z.string()).optional().describe('Names one of which the certificate of the endpoints must hold.'),
  })
  .describe('A service that the platform does not know: outside of the mesh, or of virtual machines inside.');

export type ServiceEntrySpec = z.infer<typeof serviceEntrySpec>;
