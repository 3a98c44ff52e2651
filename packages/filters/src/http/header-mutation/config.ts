import { XebecError } from '@xebec/core';
import { combineMutations, compileHeaderMutation, type HeaderMutation } from '@xebec/matching';
import type { HeaderMutation as MutationProto } from '@xebec/protos/envoy/config/common/mutation_rules/v3/mutation_rules';
import {
  HeaderMutationPerRouteSchema,
  HeaderMutationSchema,
  type Mutations,
} from '@xebec/protos/envoy/extensions/filters/http/header_mutation/v3/header_mutation';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilter, HttpFilterCallbacks, HttpFilterDefinition } from '../../http-filter.ts';
import { compileQueryMutation, type QueryMutation } from './query-mutation.ts';

interface Compiled {
  readonly request: HeaderMutation | undefined;
  readonly response: HeaderMutation | undefined;
  readonly query: QueryMutation | undefined;
}

/** Removals and additions happen in the order in which they are written. */
function compileList(list: readonly MutationProto[]): HeaderMutation | undefined {
  return combineMutations(
    list.map(({ action }) => {
      const changed = action.case === 'append' ? (action.value.header?.key ?? '') : '';
      if (changed.startsWith(':') || changed.toLowerCase() === 'host')
        throw new XebecError('E_FILTER_CONFIG', 'envoy.filters.http.header_mutation: :-prefixed or host headers may not be modified');
      if (action.case === 'remove') return compileHeaderMutation({ add: [], remove: [action.value] });
      return action.case === 'append' ? compileHeaderMutation({ add: [action.value], remove: [] }) : undefined;
    }),
  );
}

function compileMutations(mutations: Mutations | undefined): Compiled {
  return {
    request: compileList(mutations?.requestMutations ?? []),
    response: compileList(mutations?.responseMutations ?? []),
    query: compileQueryMutation(mutations?.queryParameterMutations ?? []),
  };
}

/** The filter's own mutations first, then those of the route's levels: the last level has the last word. */
function createFilter(own: Compiled, filterName: string, specificLast: boolean, callbacks: HttpFilterCallbacks): HttpFilter {
  const { info, request } = callbacks;
  let levels: readonly Compiled[] | undefined;
  const ofRoute = (): readonly Compiled[] => {
    if (levels !== undefined) return levels;
    const found = callbacks.perRouteConfigs(filterName) as readonly Compiled[]; // what compilePerRoute below returned
    levels = specificLast || found.length < 2 ? found : found.toReversed();
    return levels;
  };
  return {
    onRequestHead(head) {
      const context = { info, request };
      const apply = (level: Compiled): void => {
        level.request?.(head, context);
        if (level.query !== undefined) head.path = level.query(head.path, context);
      };
      apply(own);
      for (const level of ofRoute()) apply(level);
      return 'continue';
    },
    onResponseHead(head) {
      const context = { info, request, response: head };
      own.response?.(head, context);
      for (const level of ofRoute()) level.response?.(head, context);
      return 'continue';
    },
  };
}

export const headerMutationDefinition: HttpFilterDefinition = {
  name: 'envoy.filters.http.header_mutation',
  typeNames: [HeaderMutationSchema.typeName, HeaderMutationPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const { mutations, mostSpecificHeaderMutationsWins } = decodeConfig(HeaderMutationSchema, bytes);
    const own = compileMutations(mutations);
    return { create: (callbacks) => createFilter(own, context.filterName, mostSpecificHeaderMutationsWins, callbacks) };
  },
  compilePerRoute: (bytes) => compileMutations(decodeConfig(HeaderMutationPerRouteSchema, bytes).mutations),
};
