import { createRequire } from 'node:module';

let loaded: typeof import('@grpc/grpc-js') | undefined;

/** grpc-js, loaded when the first gRPC target is met: a proxy with static configuration never needs its memory. */
export function grpc(): typeof import('@grpc/grpc-js') {
  // CommonJS, so that it can be loaded in the middle of a synchronous step; its own types describe it.
  loaded ??= createRequire(import.meta.url)('@grpc/grpc-js') as typeof import('@grpc/grpc-js');
  return loaded;
}
