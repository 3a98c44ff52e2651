import { XebecError } from '@xebec/core';
import { compileRegex, requestCookie } from '@xebec/matching';
import {
  type Config_KeyValuePair,
  type Config_Rule,
  Config_ValueEncode as Encode,
  Config_ValueType as ValueType,
} from '@xebec/protos/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata';
import type { StreamInfo } from '@xebec/telemetry';
import { type HeaderList, headerJoined, removeHeader } from '@xebec/wire';
import { setMetadata } from '../../metadata-merge.ts';

/** Envoy's longest value, bytes. */
const MAX_VALUE_BYTES = 8 * 1024;

/** Copies one header or cookie into dynamic metadata. */
export type Rule = (headers: HeaderList, info: StreamInfo) => void;

export function compileRule(proto: Config_Rule, where: string): Rule {
  const { cookie, onHeaderMissing, onHeaderPresent, remove } = proto;
  const header = proto.header.toLowerCase();
  if ((header === '') === (cookie === '')) throw new XebecError('E_FILTER_CONFIG', `${where}: set header or cookie`);
  if (onHeaderPresent === undefined && onHeaderMissing === undefined)
    throw new XebecError('E_FILTER_CONFIG', `${where}: set on_header_present or on_header_missing`);
  if (onHeaderMissing !== undefined && onHeaderMissing.value === '')
    throw new XebecError('E_FILTER_CONFIG', `${where}: Cannot specify on_header_missing rule with an empty value`);
  for (const pair of [onHeaderPresent, onHeaderMissing])
    if (pair?.regexValueRewrite !== undefined && pair.value !== '')
      throw new XebecError('E_FILTER_CONFIG', `${where}: Cannot specify both value and regex_value_rewrite`);
  const present = onHeaderPresent === undefined ? undefined : compilePair(onHeaderPresent);
  const missing = onHeaderMissing === undefined ? undefined : compilePair(onHeaderMissing);
  return (headers, info) => {
    const value = header === '' ? requestCookie(headers, cookie) : headerJoined(headers, header);
    if (value === undefined) {
      missing?.('', info);
      return;
    }
    present?.(value, info);
    if (remove && header !== '') removeHeader(headers, header);
  };
}

function compilePair(pair: Config_KeyValuePair): (value: string, info: StreamInfo) => void {
  const namespace = pair.metadataNamespace === '' ? 'envoy.filters.http.header_to_metadata' : pair.metadataNamespace;
  const rewrite = pair.regexValueRewrite;
  const regex = rewrite === undefined ? undefined : compileRegex(rewrite.pattern?.regex ?? '');
  return (found, info) => {
    let text = pair.value === '' ? found : pair.value;
    if (regex !== undefined && rewrite !== undefined) text = regex.replace(found, rewrite.substitution);
    if (text === '' || Buffer.byteLength(text) > MAX_VALUE_BYTES) return;
    if (pair.encode === Encode.BASE64) text = Buffer.from(text, 'base64').toString();
    const value = typed(text, pair.type);
    if (value !== undefined) setMetadata(info, namespace, { [pair.key]: value });
  };
}

function typed(text: string, type: ValueType): unknown {
  if (type === ValueType.STRING) return text;
  if (type === ValueType.NUMBER) {
    const number = Number(text);
    return text.trim() === '' || Number.isNaN(number) ? undefined : number;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
