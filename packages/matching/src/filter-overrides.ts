import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { FilterConfigSchema } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { CompileFilterConfig } from './compiled-route.ts';

export interface FilterOverride {
  readonly config: unknown;
  readonly disabled: boolean | undefined;
}

export type FilterOverrides = ReadonlyMap<string, FilterOverride>;

/** Compiles one level's `typed_per_filter_config`, unwrapping `envoy.config.route.v3.FilterConfig`. */
export function compileFilterOverrides(configs: Readonly<Record<string, Any>>, compile: CompileFilterConfig): FilterOverrides {
  const overrides = new Map<string, FilterOverride>();
  for (const [name, any] of Object.entries(configs)) {
    if (!any.typeUrl.endsWith('/envoy.config.route.v3.FilterConfig')) {
      overrides.set(name, { config: compile(name, any), disabled: undefined });
      continue;
    }
    const wrapper = fromBinary(FilterConfigSchema, any.value);
    overrides.set(name, {
      // An Any without a type only switches the filter on.
      config: wrapper.config === undefined || wrapper.config.typeUrl === '' ? undefined : compile(name, wrapper.config),
      disabled: wrapper.disabled,
    });
  }
  return overrides;
}
