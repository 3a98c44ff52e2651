import { combineMutations, compileHeaderMutation, type HeaderMutation } from '@xebec/matching';
import type { HeaderMutation as MutationProto } from '@xebec/protos/envoy/config/common/mutation_rules/v3/mutation_rules';
import {
  HeaderMutationPerRouteSchema,
  HeaderMutationSchema,
  type Mutations,
} from '@xebec/protos/envoy/extensions/filters/http/header_mutation/v3/header_mutation';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';

const name = 'envoy.filters.http.header_mutation';

interface Compiled {
  readonly request: HeaderMutation | undefined;
  readonly response: HeaderMutation | undefined;
}

/** Removals and additions happen in the order in which they are written. */
function compileList(list: readonly MutationProto[]): HeaderMutation | undefined {
  return combineMutations(
    list.map(({ action }) => {
      if (action.case === 'remove') return compileHeaderMutation({ add: [], remove: [action.value] });
      return action.case === 'append' ? compileHeaderMutation({ add: [action.value], remove: [] }) : undefined;
    }),
  );
}

function compileMutations(mutations: Mutations | undefined): Compiled {
  return { request: compileList(mutations?.requestMutations ?? []), response: compileList(mutations?.responseMutations ?? []) };
}

export const headerMutationDefinition: HttpFilterDefinition = {
  name,
  typeNames: [HeaderMutationSchema.typeName, HeaderMutationPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const own = compileMutations(decodeConfig(HeaderMutationSchema, bytes).mutations);
    return {
      create: (callbacks) => {
        const { info, request } = callbacks;
        const routeMutations = () => callbacks.perRouteConfig(context.filterName) as Compiled | undefined; // what compilePerRoute below returned
        return {
          onRequestHead(head) {
            own.request?.(head, { info, request });
            routeMutations()?.request?.(head, { info, request });
            return 'continue';
          },
          onResponseHead(head) {
            own.response?.(head, { info, request, response: head });
            routeMutations()?.response?.(head, { info, request, response: head });
            return 'continue';
          },
        };
      },
    };
  },
  compilePerRoute: (bytes) => compileMutations(decodeConfig(HeaderMutationPerRouteSchema, bytes).mutations),
};
