import { z } from 'zod';
import { portNumber, stringMap } from '../fields.ts';

const tlsVersion = z.enum(['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3']);

export const serverTls = z.strictObject({
  httpsRedirect: z.boolean().optional().describe('Answer plain HTTP with a redirect to HTTPS.'),
  mode: z
    .enum(['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL'])
    .optional()
    .describe(
      "SIMPLE: TLS; MUTUAL: with client certificates; OPTIONAL_MUTUAL: with them where offered; PASSTHROUGH: forwarded unopened; AUTO_PASSTHROUGH: by server name to any service; ISTIO_MUTUAL: the mesh's own certificates.",
    ),
  serverCertificate: z.string().optional().describe("File of the server's certificate."),
  privateKey: z.string().optional().describe("File of the server's key."),
  caCertificates: z.string().optional().describe("File of the certificates that clients' are verified by."),
  caCrl: z.string().optional().describe('File of the list of revoked certificates.'),
  credentialName: z
    .string()
    .optional()
    .describe("Secret, in the gateway's namespace, of the server's certificate and key; -cacert is added for that of the clients' CA."),
  credentialNames: z.array(z.string()).optional().describe('Secrets of several certificates, such as one RSA and one ECDSA.'),
  caCertCredentialName: z.string().optional().describe("Secret or ConfigMap of the clients' CA."),
  tlsCertificates: z
    .array(
      z.strictObject({
        serverCertificate: z.string().optional().describe('File of the certificate.'),
        privateKey: z.string().optional().describe('File of the key.'),
        caCertificates: z.string().optional().describe("File of the clients' CA."),
      }),
    )
    .optional()
    .describe('Files of several certificates.'),
  subjectAltNames: z.array(z.string()).optional().describe("Names one of which the client's certificate must hold."),
  verifyCertificateSpki: z
    .array(z.string())
    .optional()
    .describe("Base64 SHA-256 hashes of public keys one of which the client's certificate must have."),
  verifyCertificateHash: z
    .array(z.string())
    .optional()
    .describe("Hexadecimal SHA-256 hashes one of which the client's certificate must have."),
  minProtocolVersion: tlsVersion.optional().describe('Least version of TLS; default TLSV1_2.'),
  maxProtocolVersion: tlsVersion.optional().describe('Greatest version of TLS; default TLSV1_3.'),
  cipherSuites: z.array(z.string()).optional().describe("Cipher suites up to TLS 1.2, in OpenSSL's names."),
  ecdhCurves: z.array(z.string()).optional().describe('Curves of the key exchange, such as X25519.'),
  insecureSkipVerify: z.boolean().optional().describe("Do not verify the clients' certificates."),
});

export const serverPort = z.strictObject({
  number: portNumber.describe('Port number, 1 to 65535.'),
  protocol: z.string().describe('HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, TCP or TLS.'),
  name: z.string().optional().describe('Name of the port.'),
  targetPort: portNumber.optional().describe('Deprecated and without effect.'),
});

const server = z.strictObject({
  port: serverPort.describe('Port that the gateway listens at.'),
  bind: z.string().optional().describe('Address that the gateway listens at; default: all of its own.'),
  hosts: z
    .array(z.string())
    .describe('Hosts that are served, as host or namespace/host: *.example.com, shop/www.example.com, or * for all.'),
  tls: serverTls.optional().describe('TLS towards clients.'),
  defaultEndpoint: z.string().optional().describe('Not executed: where traffic goes by default.'),
  name: z.string().optional().describe('Name of the server, unlike that of all others.'),
});

export const gatewaySpec = z
  .strictObject({
    selector: stringMap.optional().describe("Labels of the gateway's pods, in all namespaces, such as istio: ingressgateway."),
    servers: z.array(server).optional().describe('Ports with their hosts and TLS.'),
  })
  .describe('What a gateway at the edge of the mesh listens to: ports, hosts and TLS. Routes come from VirtualServices that name it.');

export type GatewaySpec = z.infer<typeof gatewaySpec>;
export type GatewayServer = z.infer<typeof server>;
export type ServerTls = z.infer<typeof serverTls>;
