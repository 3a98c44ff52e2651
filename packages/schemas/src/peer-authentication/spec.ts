import { z } from 'zod';
import { workloadSelector } from '../fields.ts';

export const mutualTls = z.strictObject({
  mode: z
    .enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'])
    .optional()
    .describe('STRICT: mutual TLS only; PERMISSIVE: plain text too; DISABLE: plain text; UNSET: as the namespace or mesh has it.'),
});

export const peerAuthenticationSpec = z
  .strictObject({
    selector: workloadSelector
      .optional()
      .describe('Pods that it is for; none: all of the namespace, or of the mesh from the root namespace.'),
    mtls: mutualTls.optional().describe('Mutual TLS of all ports.'),
    portLevelMtls: z
      .record(z.string().regex(/^\d{1,5}$/, { error: ({ input }) => `"${String(input)}" is not a port number, such as "8080"` }), mutualTls)
      .optional()
      .describe('Mutual TLS by port of the workload, such as "8080"; needs a selector.'),
  })
  .describe('Whether workloads take mutual TLS only, plain text too, or plain text.');

export type PeerAuthenticationSpec = z.infer<typeof peerAuthenticationSpec>;
export type MutualTlsMode = NonNullable<z.infer<typeof mutualTls>['mode']>;
