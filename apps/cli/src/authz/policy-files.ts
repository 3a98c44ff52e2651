import { create } from '@bufbuild/protobuf';
import { type FilterConfig, guardSteps, type PolicyChange } from '@xebec/authz';
import type { MeshProxy } from '@xebec/model';
import { FilterSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { HttpFilterSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { authorizationFilters } from '@xebec/translate';
import { CommandFailure, EXIT } from '../exit.ts';
import { meshOfFiles } from '../offline/mesh-files.ts';

/** Policies of files, as a proxy would get them, in place of those of the same names and of those that go. */
export function policyChange(
  files: readonly string[],
  proxy: MeshProxy,
  options: { readonly meshConfigFile: string | undefined; readonly without: readonly string[] },
): PolicyChange {
  const { snapshot, problems } = meshOfFiles(files, { meshConfigFile: options.meshConfigFile, planned: false });
  if (problems.length > 0) throw new CommandFailure(problems.join('\nError: '), EXIT.data);
  const policies = snapshot.config.all('AuthorizationPolicy');
  if (files.length === 0 && options.without.length === 0)
    throw new CommandFailure('what would be otherwise? Name policies with -f, or one that goes with --without', EXIT.usage);
  if (files.length > 0 && policies.length === 0) throw new CommandFailure(`${files.join(', ')}: no AuthorizationPolicy in it`, EXIT.data);
  for (const name of options.without)
    if (!/^[^/]+\/[^/]+$/.test(name)) throw new CommandFailure(`--without ${name}: write namespace/name`, EXIT.usage);
  const { external, externalTcp, http, tcp } = authorizationFilters(snapshot, proxy);
  return {
    replaced: new Set([...policies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`), ...options.without]),
    http: guardSteps([...external, ...http].map((filter) => plain(create(HttpFilterSchema, filter)))),
    tcp: guardSteps([...externalTcp, ...tcp].map((filter) => plain(create(FilterSchema, filter)))),
  };
}

function plain({
  name,
  configType,
}: {
  readonly name: string;
  readonly configType: { readonly case?: string | undefined; readonly value?: unknown };
}): FilterConfig {
  return { name, config: configType.case === 'typedConfig' ? (configType.value as FilterConfig['config']) : undefined }; // the case tells the type
}
