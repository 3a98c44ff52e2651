import { fileURLToPath } from 'node:url';

/** Folder of the `.proto` files that are Xebec's own, for those who compile them into other languages. */
export const protoFolder = fileURLToPath(new URL('../proto/', import.meta.url));
