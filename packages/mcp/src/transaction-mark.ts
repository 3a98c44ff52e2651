/**
 * How a sink of ours asks for changes that span collections, in the annotations of its node: with the number of collections it
 * will ask for on the stream. Sources of release 1.4 pass over it.
 */
export const TRANSACTIONS = 'mcp.xebec.io/transactions';

/** How a sink asks for bodies as google.protobuf.Struct, in the same place: with the value `struct`. Ours do. */
export const BODIES = 'mcp.xebec.io/bodies';

/** google.rpc.Code INVALID_ARGUMENT: what is wrong stands in this collection. */
export const INVALID_ARGUMENT = 3;
/** google.rpc.Code UNIMPLEMENTED: a collection that this sink did not ask for; sources that call sinks begin so and wait for it. */
export const UNIMPLEMENTED = 12;
/** google.rpc.Code ABORTED: nothing is wrong here, but another collection of the same change was refused. */
export const ABORTED = 10;
