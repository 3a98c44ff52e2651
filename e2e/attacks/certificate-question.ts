import { readFileSync } from 'node:fs';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '@xebec/protos/istio/v1/auth/ca';

export interface CertificateQuestion {
  readonly address: string;
  /** Citadel's unless told. */
  readonly serverName?: string;
  readonly rootFile: string;
  readonly csr: string;
  /** What the caller says of itself. */
  readonly headers: Readonly<Record<string, string>>;
}

const METHOD = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
const bytes = (value: Buffer): Buffer => value;

/** Asks a CA with headers of one's own choice: the chain as one text, or its refusal. */
export async function askForCertificate({ address, serverName, rootFile, csr, headers }: CertificateQuestion): Promise<string> {
  const client = new Client(address, credentials.createSsl(readFileSync(rootFile)), {
    'grpc.ssl_target_name_override': serverName ?? 'istio-citadel.istio-system.svc',
  });
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const request = Buffer.from(
    toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr, validityDuration: 600n })),
  );
  const answer = await new Promise<string>((resolve) =>
    client.makeUnaryRequest(METHOD, bytes, bytes, request, metadata, { deadline: Date.now() + 5_000 }, (error, value) => {
      if (error !== null || value === undefined) resolve(`refused: ${error?.code} ${error?.details}`);
      else resolve(fromBinary(IstioCertificateResponseSchema, value).certChain.join('\n'));
    }),
  );
  client.close();
  return answer;
}
