import { z } from 'zod';
import { int32, portNumber, targetReference, workloadSelector } from '../fields.ts';

export const wasmVmConfig = z.strictObject({
  env: z
    .array(z.strictObject({ name: z.string(), valueFrom: z.enum(['INLINE', 'HOST']).optional(), value: z.string().optional() }))
    .optional(),
});
export const wasmPullPolicy = z.enum(['UNSPECIFIED_POLICY', 'IfNotPresent', 'Always']);
export const wasmFailStrategy = z.enum(['FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD']);
export const wasmPluginType = z.enum(['UNSPECIFIED_PLUGIN_TYPE', 'HTTP', 'NETWORK']);
/** Of the traffic that an extension is for: its direction and ports. */
export const trafficSelector = z.strictObject({
  mode: z.enum(['UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER']).optional(),
  ports: z.array(z.strictObject({ number: portNumber })).optional(),
});

export const wasmPluginSpec = z.strictObject({
  selector: workloadSelector.optional(),
  targetRef: targetReference.optional(),
  targetRefs: z.array(targetReference).optional(),
  url: z.string(),
  sha256: z.string().optional(),
  imagePullPolicy: wasmPullPolicy.optional(),
  imagePullSecret: z.string().optional(),
  verificationKey: z.string().optional(),
  pluginConfig: z.record(z.string(), z.unknown()).optional(),
  pluginName: z.string().optional(),
  phase: z.enum(['UNSPECIFIED_PHASE', 'AUTHN', 'AUTHZ', 'STATS']).optional(),
  priority: int32.optional(),
  failStrategy: wasmFailStrategy.optional(),
  vmConfig: wasmVmConfig.optional(),
  match: z.array(trafficSelector).optional(),
  type: wasmPluginType.optional(),
});

export type WasmPluginSpec = z.infer<typeof wasmPluginSpec>;
