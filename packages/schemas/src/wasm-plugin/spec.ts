import { z } from 'zod';
import { int32, portNumber, targetReference, workloadSelector } from '../fields.ts';

export const wasmVmConfig = z.strictObject({
  env: z
    .array(
      z.strictObject({
        name: z.string().describe('Name of the variable.'),
        valueFrom: z
          .enum(['INLINE', 'HOST'])
          .optional()
          .describe("INLINE: the value given here; HOST: the proxy's own variable of that name."),
        value: z.string().optional().describe('Value, for INLINE.'),
      }),
    )
    .optional()
    .describe('Environment variables of the module.'),
});
export const wasmPullPolicy = z.enum(['UNSPECIFIED_POLICY', 'IfNotPresent', 'Always']);
export const wasmFailStrategy = z.enum(['FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD']);
export const wasmPluginType = z.enum(['UNSPECIFIED_PLUGIN_TYPE', 'HTTP', 'NETWORK']);
/** Of the traffic that an extension is for: its direction and ports. */
export const trafficSelector = z.strictObject({
  mode: z
    .enum(['UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER'])
    .optional()
    .describe('CLIENT: what goes out; SERVER: what comes in; or both.'),
  ports: z
    .array(z.strictObject({ number: portNumber.describe('Port number, 1 to 65535.') }))
    .optional()
    .describe('Ports of the traffic; none: all.'),
});

export const wasmPluginSpec = z
  .strictObject({
    selector: workloadSelector
      .optional()
      .describe('Pods that it is for; none: all of the namespace, or of the mesh from the root namespace.'),
    targetRef: targetReference.optional().describe('Gateway or service that it is for, in place of a selector.'),
    targetRefs: z.array(targetReference).optional().describe('Gateways or services that it is for, in place of a selector.'),
    url: z.string().describe('Where the module is: oci://, https://, http:// or file://; without a scheme, oci.'),
    sha256: z.string().optional().describe('SHA-256 of the module, in hexadecimal digits.'),
    imagePullPolicy: wasmPullPolicy.optional().describe('When the module is fetched again.'),
    imagePullSecret: z.string().optional().describe("Secret of the registry's credentials, in the object's namespace."),
    verificationKey: z.string().optional().describe('Not executed: public key of signed images.'),
    pluginConfig: z.record(z.string(), z.unknown()).optional().describe('Configuration that the module gets.'),
    pluginName: z.string().optional().describe('Name of the plugin within the module.'),
    phase: z
      .enum(['UNSPECIFIED_PHASE', 'AUTHN', 'AUTHZ', 'STATS'])
      .optional()
      .describe("Where the filter is put: before the mesh's of that class; without: before the router."),
    priority: int32.optional().describe('Order within the phase: higher is earlier.'),
    failStrategy: wasmFailStrategy
      .optional()
      .describe(
        'What happens where the module fails: FAIL_CLOSE refuses requests, FAIL_OPEN goes on without it, FAIL_RELOAD loads it again.',
      ),
    vmConfig: wasmVmConfig.optional().describe('Settings of the virtual machine.'),
    match: z.array(trafficSelector).optional().describe('Traffic that it is for, any of these; none: all.'),
    type: wasmPluginType.optional().describe('Kind of filter: HTTP (the default) or NETWORK.'),
  })
  .describe('A WebAssembly module in the proxies.');

export type WasmPluginSpec = z.infer<typeof wasmPluginSpec>;
