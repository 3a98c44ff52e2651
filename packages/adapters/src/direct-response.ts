import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { CheckResult } from '@xebec/policy';
import { StatusCode } from '@xebec/protos/envoy/type/v3/http_status';
import { z } from 'zod';

type DirectResponse = NonNullable<CheckResult['directResponse']>;

/** By google.rpc.Code: what a direct response that gives no status is answered with (release 1.5). */
const HTTP_STATUS = [200, 408, 500, 400, 504, 404, 409, 403, 429, 412, 409, 400, 501, 500, 503, 500, 401];

const TYPE = 'type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse';

/** `istio.policy.v1beta1.DirectHttpResponse` in the details of a status, as users write it. Statuses are numbers or names (`Found`). */
export const directHttpResponse = z.strictObject({
  '@type': z.literal(TYPE),
  code: z.union([z.int().min(200).max(599), z.string().transform((name, context) => statusOf(name) ?? notAStatus(context))]).optional(),
  body: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
});

function statusOf(name: string): number | undefined {
  const found: unknown = Object.hasOwn(StatusCode, name) ? Reflect.get(StatusCode, name) : undefined;
  return typeof found === 'number' && found > 0 ? found : undefined;
}

function notAStatus(context: z.RefinementCtx): never {
  context.addIssue({ code: 'custom', message: 'is not an HTTP status: give its number, or its name such as Found' });
  return z.NEVER;
}

/** What the details that users gave say, for a denial by `code`. */
export function writtenResponse(code: number, details: readonly z.output<typeof directHttpResponse>[]): DirectResponse | undefined {
  const [first] = details;
  return first && response(code, { status: first.code ?? 0, body: first.body ?? '', headers: first.headers ?? {} });
}

/** What the details of an adapter's answer say; undefined when they say nothing of it. Throws for bytes that are none. */
export function sentResponse(code: number, details: readonly Any[]): DirectResponse | undefined {
  const found = details.find(({ typeUrl }) => typeUrl === TYPE);
  return code === 0 || found === undefined ? undefined : response(code, decode(found.value));
}

function response(code: number, told: Required<DirectResponse>): DirectResponse {
  return told.status === 0 ? { ...told, status: HTTP_STATUS[code] ?? 500 } : told;
}

/** Fields: 1 status, 2 body, 3 headers. */
function decode(bytes: Uint8Array): Required<DirectResponse> {
  const reader = new BinaryReader(bytes);
  const headers: [string, string][] = [];
  let [status, body] = [0, ''];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) status = reader.int32();
    else if (field === 2) body = reader.string();
    else if (field === 3) headers.push(entry(reader.bytes()));
    else reader.skip(type);
  }
  return { status, body, headers: Object.fromEntries(headers) };
}

function entry(bytes: Uint8Array): [string, string] {
  const reader = new BinaryReader(bytes);
  let [key, value] = ['', ''];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) key = reader.string();
    else if (field === 2) value = reader.string();
    else reader.skip(type);
  }
  return [key, value];
}
