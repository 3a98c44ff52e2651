/** A gRPC server of one method that does nothing: prints its port, and for each line that it reads how many calls it has answered. */
import { createInterface } from 'node:readline';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';

let calls = 0;
const empty = Buffer.alloc(0);
const asBytes = (bytes: Buffer): Buffer => bytes;
const server = new Server();
server.addService(
  {
    Check: {
      path: '/istio.mixer.v1.Mixer/Check',
      requestStream: false,
      responseStream: false,
      requestSerialize: asBytes,
      requestDeserialize: asBytes,
      responseSerialize: asBytes,
      responseDeserialize: asBytes,
    },
  },
  {
    Check(_: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
      calls++;
      callback(null, empty);
    },
  },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(port);
});
createInterface({ input: process.stdin })
  .on('line', () => console.log(calls))
  .on('close', () => process.exit());
