import { z } from 'zod';
import { int32, stringMap, workloadSelector } from '../fields.ts';

export const proxyConfigSpec = z
  .strictObject({
    selector: workloadSelector.optional().describe('Pods that it is for; none: all of the namespace.'),
    concurrency: int32.min(0).optional().describe('Worker threads of the proxy; 0: one for each core.'),
    environmentVariables: stringMap.optional().describe('Environment variables of the proxy.'),
    image: z
      .strictObject({ imageType: z.string().optional().describe('Variant of the image: default, debug or distroless.') })
      .optional()
      .describe('Image of the proxy.'),
  })
  .describe('Settings that proxies start with, for a workload, a namespace or, in the root namespace, the mesh.');

export type ProxyConfigSpec = z.infer<typeof proxyConfigSpec>;
