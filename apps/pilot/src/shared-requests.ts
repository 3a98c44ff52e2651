import type { ServiceDefinition } from '@grpc/grpc-js';

/** Smaller requests are decoded sooner than they are looked for. */
const MIN_BYTES = 4_096;
/** Proxies of one kind ask at the same time, so few different requests are on the way. */
const MAX_RECENT = 8;

/**
 * The same service, where equal large requests are decoded once: a thousand proxies that name the same clusters send the same bytes, and
 * so they hold the same strings as well. Whoever is given a request must not change it.
 */
export function withSharedRequests(definition: ServiceDefinition): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => [name, { ...method, requestDeserialize: shared(method.requestDeserialize) }]),
  );
}

function shared<T>(decode: (bytes: Buffer) => T): (bytes: Buffer) => T {
  let recent: { readonly bytes: Buffer; readonly request: T }[] = [];
  return (bytes) => {
    if (bytes.length < MIN_BYTES) return decode(bytes);
    const known = recent.find((entry) => entry.bytes.equals(bytes));
    if (known !== undefined) return known.request;
    const request = decode(bytes);
    recent = [{ bytes: Buffer.from(bytes), request }, ...recent.slice(0, MAX_RECENT - 1)];
    return request;
  };
}
