import { err, ok, type Result } from '@xebec/core';
import { z } from 'zod';
import { portNumber } from '../fields.ts';
import { plainProtoJson } from '../proto-json.ts';
import { toViolations } from '../violations.ts';

const network = z.strictObject({
  endpoints: z.array(z.strictObject({ fromCidr: z.string().optional(), fromRegistry: z.string().optional() })).optional(),
  gateways: z
    .array(
      z.strictObject({
        registryServiceName: z.string().optional(),
        address: z.string().optional(),
        port: portNumber,
        locality: z.string().optional(),
      }),
    )
    .optional(),
});

/** Networks that reach each other by gateways alone, by name: where their endpoints stand and by which gateways they are reached. */
export const meshNetworks = z.strictObject({ networks: z.record(z.string(), network).optional() });
export type MeshNetworks = z.infer<typeof meshNetworks>;

/** Reads MeshNetworks, the key `meshNetworks` of ConfigMap `istio`. */
export function decodeMeshNetworks(input: unknown): Result<MeshNetworks> {
  const parsed = meshNetworks.safeParse(plainProtoJson(meshNetworks, input ?? {}), { reportInput: true });
  return parsed.success ? ok(parsed.data) : err(toViolations(parsed.error, [], meshNetworks));
}
