import { z } from 'zod';
import { int32, portNumber, stringMap } from '../fields.ts';
import { workloadEntrySpec } from '../workload-entry/spec.ts';

export const probe = z.strictObject({
  initialDelaySeconds: int32.optional().describe('Seconds before the first probe.'),
  timeoutSeconds: int32.optional().describe('Seconds until a probe has failed; default 1.'),
  periodSeconds: int32.optional().describe('Seconds between probes; default 10.'),
  successThreshold: int32.optional().describe('Successes in a row that make it healthy; default 1.'),
  failureThreshold: int32.optional().describe('Failures in a row that make it unhealthy; default 3.'),
  httpGet: z
    .strictObject({
      path: z.string().optional().describe('Path of the request.'),
      port: portNumber.describe('Port of the application.'),
      host: z.string().optional().describe("Host that is asked; default: the workload's own address."),
      scheme: z.string().optional().describe('HTTP or HTTPS.'),
      httpHeaders: z
        .array(
          z.strictObject({
            name: z.string().describe('Name of the header.'),
            value: z.string().optional().describe('Value of the header.'),
          }),
        )
        .optional()
        .describe('Headers of the request.'),
    })
    .optional()
    .describe('A GET request that must be answered with 200 to 399.'),
  tcpSocket: z
    .strictObject({
      host: z.string().optional().describe("Host that is connected to; default: the workload's own address."),
      port: portNumber.describe('Port of the application.'),
    })
    .optional()
    .describe('A connection that must be possible.'),
  exec: z
    .strictObject({ command: z.array(z.string()).describe('Program and arguments, without a shell.') })
    .optional()
    .describe('A command that must end with 0.'),
  grpc: z
    .strictObject({
      port: portNumber.optional().describe('Port of the application.'),
      service: z.string().optional().describe('Service that is asked after.'),
    })
    .optional()
    .describe('The health service of gRPC.'),
});

export const workloadGroupSpec = z
  .strictObject({
    metadata: z
      .strictObject({
        labels: stringMap.optional().describe('Labels of the WorkloadEntries.'),
        annotations: stringMap.optional().describe('Annotations of the WorkloadEntries.'),
      })
      .optional()
      .describe('Labels and annotations of their WorkloadEntries.'),
    template: workloadEntrySpec.describe("What the WorkloadEntries hold; the address is each workload's own."),
    probe: probe.optional().describe('How the agent finds out that the application is healthy.'),
  })
  .describe('Workloads outside of Kubernetes that register themselves: what their WorkloadEntries look like.');

export type WorkloadGroupSpec = z.infer<typeof workloadGroupSpec>;
