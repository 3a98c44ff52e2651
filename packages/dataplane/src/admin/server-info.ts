import { toJson } from '@bufbuild/protobuf';
import { NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import type { DataplaneState } from '../dataplane.ts';
import type { AdminReply } from './handlers.ts';

/** `/server_info`: envoy.admin.v3.ServerInfo. */
export function serverInfo(state: DataplaneState): AdminReply {
  const uptime = `${Math.floor((state.clock.now() - state.startedAtMs) / 1000)}s`;
  const value = {
    version: `xebec/${state.version}/Clean/RELEASE/node-${process.versions.node}`,
    state: state.lifecycle,
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: 'disabled',
    command_line_options: state.commandLine,
    node: toJson(NodeSchema, state.node, { useProtoFieldName: true }),
  };
  return { type: 'application/json', body: `${JSON.stringify(value, undefined, 1)}\n` };
}
