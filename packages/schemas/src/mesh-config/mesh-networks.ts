import { err, ok, type Result } from '@xebec/core';
import { z } from 'zod';
import { portNumber } from '../fields.ts';
import { FindingList, type Findings } from '../findings.ts';
import { plainProtoJson } from '../proto-json.ts';
import { ipAddress, subnet } from '../values/addresses.ts';
import { dnsLabel, domainName } from '../values/names.ts';
import { toViolations } from '../violations.ts';

const network = z.strictObject({
  endpoints: z
    .array(
      z.strictObject({
        fromCidr: z.string().optional().describe('Endpoints of these addresses.'),
        fromRegistry: z.string().optional().describe('Endpoints of the cluster of this name.'),
      }),
    )
    .optional()
    .describe('What belongs to the network, any of these.'),
  gateways: z
    .array(
      z.strictObject({
        registryServiceName: z.string().optional().describe('Service of the gateway, in the registry.'),
        address: z.string().optional().describe('Address or host of the gateway.'),
        port: portNumber.describe('Port of the gateway, usually 15443.'),
        locality: z.string().optional().describe('Where the gateway stands: region/zone/subzone.'),
      }),
    )
    .optional()
    .describe('Gateways by which other networks reach it.'),
});

/** Networks that reach each other by gateways alone, by name: where their endpoints stand and by which gateways they are reached. */
export const meshNetworks = z.strictObject({ networks: z.record(z.string(), network).optional().describe('Networks by name.') });
export type MeshNetworks = z.infer<typeof meshNetworks>;

/** Reads MeshNetworks, the key `meshNetworks` of ConfigMap `istio`. */
export function decodeMeshNetworks(input: unknown): Result<MeshNetworks> {
  const parsed = meshNetworks.safeParse(plainProtoJson(meshNetworks, input ?? {}), { reportInput: true });
  return parsed.success ? ok(parsed.data) : err(toViolations(parsed.error, [], meshNetworks));
}

/** What is wrong with MeshNetworks as they were written: addresses that are none, and names that nothing can have. */
export function checkMeshNetworks(input: unknown): Findings {
  const decoded = decodeMeshNetworks(input);
  if (!decoded.ok) return { errors: decoded.error, warnings: [] };
  const findings = new FindingList();
  for (const [name, { endpoints = [], gateways = [] }] of Object.entries(decoded.value.networks ?? {})) {
    for (const [index, { fromCidr, fromRegistry }] of endpoints.entries()) {
      const path = ['networks', name, 'endpoints', index];
      if (fromCidr !== undefined) findings.refuse([...path, 'fromCidr'], subnet(fromCidr));
      else if (fromRegistry !== undefined) findings.refuse([...path, 'fromRegistry'], dnsLabel(fromRegistry));
    }
    for (const [index, { address, registryServiceName }] of gateways.entries()) {
      const path = ['networks', name, 'gateways', index];
      if (registryServiceName !== undefined) findings.refuse([...path, 'registryServiceName'], domainName(registryServiceName));
      else if (address !== undefined && ipAddress(address) !== undefined) findings.refuse([...path, 'address'], domainName(address));
    }
  }
  return findings;
}
