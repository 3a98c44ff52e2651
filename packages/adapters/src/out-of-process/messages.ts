import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Duration } from '@bufbuild/protobuf/wkt';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { type CheckResult, type QuotaArguments, type QuotaGrant, readMessage } from '@xebec/policy';
import { CheckResultSchema } from '@xebec/protos/istio/mixer/adapter/model/v1beta1/check';
import { QuotaRequestSchema, QuotaResultSchema } from '@xebec/protos/istio/mixer/adapter/model/v1beta1/quota';
import { sentResponse } from '../direct-response.ts';

/** What every request of a template's handler service has; the field numbers are those of release 1.4's generated files. */
export interface HandleRequest {
  readonly instances: readonly Uint8Array[];
  /** Encoded google.protobuf.Any. */
  readonly adapterConfig: Uint8Array;
  readonly dedupId: string;
  readonly quotaRequest?: Uint8Array;
}

export function encodeRequest({ instances, adapterConfig, dedupId, quotaRequest }: HandleRequest): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  for (const instance of instances) writer.tag(1, WireType.LengthDelimited).bytes(instance);
  if (adapterConfig.length > 0) writer.tag(2, WireType.LengthDelimited).bytes(adapterConfig);
  writer.tag(3, WireType.LengthDelimited).string(dedupId);
  if (quotaRequest !== undefined) writer.tag(4, WireType.LengthDelimited).bytes(quotaRequest);
  return writer.finish();
}

export function encodeAny(typeUrl: string, value: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return toBinary(AnySchema, create(AnySchema, { typeUrl, value }));
}

export function encodeQuotaRequest(name: string, { amount, bestEffort }: QuotaArguments): Uint8Array<ArrayBuffer> {
  return toBinary(QuotaRequestSchema, create(QuotaRequestSchema, { quotas: { [name]: { amount: BigInt(amount), bestEffort } } }));
}

export function decodeCheckResult(bytes: Uint8Array): CheckResult {
  const { status, validDuration, validUseCount } = readMessage(CheckResultSchema, bytes);
  const code = status?.code ?? 0;
  const directResponse = sentResponse(code, status?.details ?? []);
  return {
    code,
    message: status?.message ?? '',
    validDurationMs: milliseconds(validDuration),
    validUseCount,
    ...(directResponse === undefined ? {} : { directResponse }),
  };
}

/** The grant for the instance of this name; undefined when the answer has none. */
export function decodeQuotaResult(name: string, bytes: Uint8Array): QuotaGrant | undefined {
  const { quotas } = readMessage(QuotaResultSchema, bytes);
  const result = quotas[name];
  if (result === undefined) return undefined;
  const { grantedAmount, status, validDuration } = result;
  return {
    code: status?.code ?? 0,
    message: status?.message ?? '',
    amount: Math.max(0, Number(grantedAmount)),
    validDurationMs: milliseconds(validDuration),
  };
}

/** Fields 1 and 2 of a check's answer that has outputs: `{result, output}`. */
export function splitCheckAnswer(bytes: Uint8Array): { readonly result: Uint8Array; readonly output: Uint8Array } {
  const reader = new BinaryReader(bytes);
  let result: Uint8Array = new Uint8Array();
  let output: Uint8Array = new Uint8Array();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === WireType.LengthDelimited && number === 1) result = reader.bytes();
    else if (type === WireType.LengthDelimited && number === 2) output = reader.bytes();
    else reader.skip(type, number);
  }
  return { result, output };
}

function milliseconds(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Math.max(0, Number(duration.seconds) * 1000 + duration.nanos / 1e6);
}
