import { toJson } from '@bufbuild/protobuf';
import { NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import type { DataplaneState } from '../dataplane-state.ts';
import type { AdminReply } from './handlers.ts';

/** Flags of Envoy that say nothing here, as Envoy shows them when they are not given (envoy.admin.v3.CommandLineOptions). */
const absentFlags = {
  skip_hot_restart_on_no_parent: false,
  skip_hot_restart_parent_stats: false,
  reject_unknown_dynamic_fields: false,
  ignore_unknown_dynamic_fields: false,
  skip_deprecated_logs: false,
  log_format_escaped: false,
  log_stacktrace_single_entry: false,
  enable_fine_grain_logging: false,
  enable_mutex_tracing: false,
  enable_core_dump: false,
  cpuset_threads: false,
  file_flush_min_size: 0,
  socket_path: '@envoy_domain_socket',
  socket_mode: 0,
  disabled_extensions: [],
  stats_tag: [],
};

/** `/server_info`: envoy.admin.v3.ServerInfo with every field, as Envoy prints it. */
export function serverInfo(state: DataplaneState): AdminReply {
  const uptime = `${Math.floor((state.clock.now() - state.startedAtMs) / 1000)}s`;
  const value = {
    version: `xebec/${state.version}/Clean/RELEASE/node-${process.versions.node}`,
    state: state.healthy ? state.lifecycle : 'DRAINING',
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: 'disabled',
    hot_restart_initializing: false,
    command_line_options: { ...absentFlags, ...state.commandLine },
    node: toJson(NodeSchema, state.node, { useProtoFieldName: true, alwaysEmitImplicit: true }),
  };
  return { type: 'application/json', body: `${JSON.stringify(value, undefined, 1)}\n` };
}
