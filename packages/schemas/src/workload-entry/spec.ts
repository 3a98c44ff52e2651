import { z } from 'zod';
import { portNumber, stringMap, uint32 } from '../fields.ts';

export const workloadEntrySpec = z
  .strictObject({
    address: z.string().optional().describe('IP address, host name (with resolution DNS), or unix:///path.'),
    ports: z.record(z.string(), portNumber).optional().describe("Port numbers by the name of the service's port."),
    labels: stringMap.optional().describe('Labels of the workload, which selectors and subsets go by.'),
    network: z.string().optional().describe('Network of the workload; others are reached through gateways.'),
    locality: z.string().optional().describe('Where it stands: region/zone/subzone.'),
    weight: uint32.optional().describe('Share of the calls, relative to other endpoints.'),
    serviceAccount: z.string().optional().describe("Service account of its identity, in this object's namespace."),
  })
  .describe('One workload outside of Kubernetes, such as a virtual machine: its address, ports and labels.');

export type WorkloadEntrySpec = z.infer<typeof workloadEntrySpec>;
