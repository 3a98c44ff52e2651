import { z } from 'zod';
import { int32, targetReference, workloadSelector } from '../fields.ts';
import { trafficSelector, wasmFailStrategy, wasmPluginType, wasmPullPolicy, wasmVmConfig } from '../wasm-plugin/spec.ts';

/** `extensions.istio.io/v1alpha1`: a module of WebAssembly or a piece of Lua in the proxies of a scope. */
export const trafficExtensionSpec = z.strictObject({
  selector: workloadSelector.optional(),
  targetRefs: z.array(targetReference).optional(),
  phase: z.enum(['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS']).optional(),
  priority: int32.optional(),
  match: z.array(trafficSelector).optional(),
  wasm: z
    .strictObject({
      url: z.string().optional(),
      sha256: z.string().optional(),
      imagePullPolicy: wasmPullPolicy.optional(),
      imagePullSecret: z.string().optional(),
      verificationKey: z.string().optional(),
      pluginConfig: z.record(z.string(), z.unknown()).optional(),
      pluginName: z.string().optional(),
      failStrategy: wasmFailStrategy.optional(),
      vmConfig: wasmVmConfig.optional(),
      type: wasmPluginType.optional(),
    })
    .optional(),
  lua: z.strictObject({ inlineCode: z.string().optional() }).optional(),
});

export type TrafficExtensionSpec = z.infer<typeof trafficExtensionSpec>;
