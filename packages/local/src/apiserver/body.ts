import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { decodeProtobuf } from './protobuf.ts';
import { ApiError, badRequest } from './status.ts';

/** What the Kubernetes API server takes at most. */
const MAX_BODY = 3 * 1024 * 1024;

/** Reads a request body as JSON, YAML or Kubernetes' protobuf; undefined when it is empty. */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    // An IncomingMessage without an encoding gives buffers.
    const buffer = chunk as Buffer;
    size += buffer.length;
    if (size > MAX_BODY) throw new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BODY}`);
    chunks.push(buffer);
  }
  if (size === 0) return undefined;
  const body = Buffer.concat(chunks);
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim() ?? '';
  if (type === 'application/vnd.kubernetes.protobuf') return decodeProtobuf(body);
  if (type.includes('cbor')) {
    throw new ApiError(
      415,
      'UnsupportedMediaType',
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
    );
  }
  const text = body.toString('utf8');
  try {
    const value: unknown = type.endsWith('yaml') ? parseYaml(text, { maxAliasCount: 100 }) : JSON.parse(text);
    return value;
  } catch (error) {
    throw badRequest(
      `the object provided is unrecognized (must be of type ${type}): ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
    );
  }
}
