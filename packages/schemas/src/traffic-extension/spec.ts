import { z } from 'zod';
import { int32, targetReference, workloadSelector } from '../fields.ts';
import { trafficSelector, wasmFailStrategy, wasmPluginType, wasmPullPolicy, wasmVmConfig } from '../wasm-plugin/spec.ts';

/** `extensions.istio.io/v1alpha1`: a module of WebAssembly or a piece of Lua in the proxies of a scope. */
export const trafficExtensionSpec = z
  .strictObject({
    selector: workloadSelector
      .optional()
      .describe('Pods that it is for; none: all of the namespace, or of the mesh from the root namespace.'),
    targetRefs: z.array(targetReference).optional().describe('Gateways or services that it is for, in place of a selector.'),
    phase: z
      .enum(['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS'])
      .optional()
      .describe("Where the filter is put: before the mesh's of that class; without: before the router."),
    priority: int32.optional().describe('Order within the phase: higher is earlier.'),
    match: z.array(trafficSelector).optional().describe('Traffic that it is for, any of these; none: all.'),
    wasm: z
      .strictObject({
        url: z.string().optional().describe('Where the module is: oci://, https://, http:// or file://; without a scheme, oci.'),
        sha256: z.string().optional().describe('SHA-256 of the module, in hexadecimal digits.'),
        imagePullPolicy: wasmPullPolicy.optional().describe('When the module is fetched again.'),
        imagePullSecret: z.string().optional().describe("Secret of the registry's credentials, in the object's namespace."),
        verificationKey: z.string().optional().describe('Not executed: public key of signed images.'),
        pluginConfig: z.record(z.string(), z.unknown()).optional().describe('Configuration that the module gets.'),
        pluginName: z.string().optional().describe('Name of the plugin within the module.'),
        failStrategy: wasmFailStrategy.optional().describe('What happens where the module fails.'),
        vmConfig: wasmVmConfig.optional().describe('Settings of the virtual machine.'),
        type: wasmPluginType.optional().describe('Kind of filter: HTTP (the default) or NETWORK.'),
      })
      .optional()
      .describe('A WebAssembly module.'),
    lua: z
      .strictObject({ inlineCode: z.string().optional().describe('The code: functions envoy_on_request and envoy_on_response.') })
      .optional()
      .describe('A piece of Lua.'),
  })
  .describe('A WebAssembly module or a piece of Lua in the proxies.');

export type TrafficExtensionSpec = z.infer<typeof trafficExtensionSpec>;
