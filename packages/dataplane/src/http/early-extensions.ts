import { XebecError } from '@xebec/core';
import { combineMutations, compileHeaderMutation, type HeaderMutation } from '@xebec/matching';
import type { HttpConnectionManager } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { HeaderMutationSchema } from '@xebec/protos/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation';
import { CustomHeaderConfigSchema } from '@xebec/protos/envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header';
import { typeNameOf, unpack } from '../config/unpack.ts';

/** `early_header_mutation_extensions`, in order. Throws XebecError `E_CONFIG` for a type that is not known. */
export function earlyMutation(proto: HttpConnectionManager): HeaderMutation | undefined {
  return combineMutations(
    proto.earlyHeaderMutationExtensions.flatMap(({ name, typedConfig }) => {
      if (typedConfig === undefined || typeNameOf(typedConfig) !== HeaderMutationSchema.typeName)
        throw new XebecError(
          'E_CONFIG',
          `early_header_mutation_extensions "${name}": ${typedConfig?.typeUrl ?? 'no type'} is not supported`,
        );
      return unpack(typedConfig, HeaderMutationSchema, name).mutations.map(({ action }) => {
        if (action.case === 'remove') return compileHeaderMutation({ add: [], remove: [action.value] });
        return action.case === 'append' ? compileHeaderMutation({ add: [action.value], remove: [] }) : undefined;
      });
    }),
  );
}

/** The header that `original_ip_detection_extensions` name; what x-forwarded-for says is looked at without. */
export function addressHeader(proto: HttpConnectionManager): { name: string; refusal: number | undefined } | undefined {
  for (const { name, typedConfig } of proto.originalIpDetectionExtensions) {
    if (typedConfig === undefined || typeNameOf(typedConfig) !== CustomHeaderConfigSchema.typeName) continue;
    const { headerName, rejectWithStatus } = unpack(typedConfig, CustomHeaderConfigSchema, name);
    const code = rejectWithStatus?.code ?? 0;
    // Only errors refuse; anything else is 403.
    return { name: headerName.toLowerCase(), refusal: rejectWithStatus === undefined ? undefined : code >= 400 && code < 600 ? code : 403 };
  }
  return undefined;
}
