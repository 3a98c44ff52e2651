import { XebecError } from '@xebec/core';
import type { Http1ProtocolOptions_HeaderKeyFormat as HeaderKeyFormat } from '@xebec/protos/envoy/config/core/v3/protocol';
import {
  PreserveCaseFormatterConfig_FormatterTypeOnEnvoyHeaders as FormatterOnEnvoyHeaders,
  PreserveCaseFormatterConfigSchema,
} from '@xebec/protos/envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case';
import { type FieldCase, type PreserveCase, properCaseWords } from '@xebec/wire';
import { unpack } from '../config/unpack.ts';

/** How a codec of HTTP/1 writes names, and what it keeps of the names that it reads. */
export interface HeaderCase {
  readonly formatName?: FieldCase;
  readonly preserveCase?: PreserveCase;
}

/** Compiles `header_key_format`. Throws XebecError `E_CONFIG` for a formatter that is not known. */
export function compileHeaderCase(format: HeaderKeyFormat | undefined, where: string): HeaderCase {
  if (format?.headerFormat.case === 'properCaseWords') return { formatName: properCaseWords };
  if (format?.headerFormat.case !== 'statefulFormatter') return {};
  const { typedConfig, name } = format.headerFormat.value;
  if (typedConfig === undefined) throw new XebecError('E_CONFIG', `${where}: stateful_formatter "${name}" has no typed_config`);
  const config = unpack(typedConfig, PreserveCaseFormatterConfigSchema, `${where}: stateful_formatter "${name}"`);
  const properCaseForOthers = config.formatterTypeOnEnvoyHeaders === FormatterOnEnvoyHeaders.PROPER_CASE;
  return { preserveCase: { properCaseForOthers, keepsReason: config.forwardReasonPhrase } };
}
