/**
 * A workload that asks the SPIFFE Workload API who it is. Usage: workload.ts SOCKET AUDIENCE; prints one JSON object.
 * Runs inside of a pod, by `kubectl exec`.
 */
import { basename, dirname } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  JWTSVIDRequestSchema,
  type JWTSVIDResponse,
  SpiffeWorkloadAPI,
  X509SVIDRequestSchema,
  type X509SVIDResponse,
} from '@xebec/protos/spiffe/workload/workload';
import { methodDefinition } from '@xebec/rpc';

const [, , socket = '', audience = ''] = process.argv;
// Addresses of Unix sockets end at 108 bytes, which the path of a pod's volume passes.
process.chdir(dirname(socket));
const client = new Client(`unix:${basename(socket)}`, credentials.createInsecure());
const metadata = new Metadata();
metadata.set('workload.spiffe.io', 'true');
const deadline = Date.now() + 10_000;

function fetchX509(): Promise<X509SVIDResponse> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(SpiffeWorkloadAPI.method.fetchX509SVID);
  const request = create(X509SVIDRequestSchema);
  return new Promise((resolve, reject) => {
    const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata, { deadline });
    // methodDefinition decodes every message; bytes are what servers may send.
    stream.once('data', (response) => resolve(response as X509SVIDResponse));
    stream.once('error', reject);
  });
}

function fetchJwt(): Promise<JWTSVIDResponse> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(SpiffeWorkloadAPI.method.fetchJWTSVID);
  const request = create(JWTSVIDRequestSchema, { audience: [audience] });
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, { deadline }, (error, response) =>
      error === null ? resolve(response as JWTSVIDResponse) : reject(error),
    );
  });
}

try {
  const [x509, jwt] = await Promise.all([fetchX509(), fetchJwt()]);
  const claims: unknown = JSON.parse(Buffer.from(jwt.svids[0]?.svid.split('.')[1] ?? '', 'base64url').toString('utf8'));
  process.stdout.write(JSON.stringify({ id: x509.svids[0]?.spiffeId, claims }));
} catch (error) {
  process.stdout.write(JSON.stringify({ code: (error as ServiceError).code }));
}
process.exit(0);
