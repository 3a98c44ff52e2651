import { z } from 'zod';
import { portNumber, stringMap } from '../fields.ts';

const tlsVersion = z.enum(['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3']);

export const serverTls = z.strictObject({
  httpsRedirect: z.boolean().optional(),
  mode: z.enum(['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL']).optional(),
  serverCertificate: z.string().optional(),
  privateKey: z.string().optional(),
  caCertificates: z.string().optional(),
  caCrl: z.string().optional(),
  credentialName: z.string().optional(),
  credentialNames: z.array(z.string()).optional(),
  caCertCredentialName: z.string().optional(),
  tlsCertificates: z
    .array(
      z.strictObject({
        serverCertificate: z.string().optional(),
        privateKey: z.string().optional(),
        caCertificates: z.string().optional(),
      }),
    )
    .optional(),
  subjectAltNames: z.array(z.string()).optional(),
  verifyCertificateSpki: z.array(z.string()).optional(),
  verifyCertificateHash: z.array(z.string()).optional(),
  minProtocolVersion: tlsVersion.optional(),
  maxProtocolVersion: tlsVersion.optional(),
  cipherSuites: z.array(z.string()).optional(),
  ecdhCurves: z.array(z.string()).optional(),
  insecureSkipVerify: z.boolean().optional(),
});

export const serverPort = z.strictObject({
  number: portNumber,
  protocol: z.string(),
  name: z.string().optional(),
  targetPort: portNumber.optional(),
});

const server = z.strictObject({
  port: serverPort,
  bind: z.string().optional(),
  hosts: z.array(z.string()),
  tls: serverTls.optional(),
  defaultEndpoint: z.string().optional(),
  name: z.string().optional(),
});

export const gatewaySpec = z.strictObject({ selector: stringMap.optional(), servers: z.array(server).optional() });

export type GatewaySpec = z.infer<typeof gatewaySpec>;
export type GatewayServer = z.infer<typeof server>;
export type ServerTls = z.infer<typeof serverTls>;
