import { Client, credentials } from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';

// A proxyless client in a process of its own, for grpc-js-xds reads its bootstrap from the environment: calls the target in
// its first argument for ever, and prints the answer, or the error, of each call.
register();
const client = new Client(process.argv[2] ?? '', credentials.createInsecure());
const call = (): void => {
  client.makeUnaryRequest(
    '/echo.Echo/Who',
    (text: string) => Buffer.from(text),
    (bytes: Buffer) => bytes.toString('utf8'),
    'who',
    { deadline: Date.now() + 10_000 },
    (error, answer) => {
      console.log(error === null ? answer : `failed: ${error.message}`);
      setTimeout(call, 20);
    },
  );
};
call();
