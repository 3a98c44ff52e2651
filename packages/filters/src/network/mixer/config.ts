import { create } from '@bufbuild/protobuf';
import { durationMs } from '@xebec/matching';
import { MixerClientSchema } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import { TcpMixerClientSchema } from '@xebec/protos/xebec/filters/network/mixer/v1/mixer';
import { decodeConfig } from '../../decode.ts';
import { AttributeSet } from '../../http/mixer/attribute.ts';
import type { ConnectionCall } from '../../http/mixer/call.ts';
import { ownAttributes } from '../../http/mixer/common-attributes.ts';
import { createClients } from '../../http/mixer/config.ts';
import { deduplicationIds } from '../../http/mixer/deduplication-ids.ts';
import { proxySide } from '../../http/mixer/peers.ts';
import { compileQuotaRule } from '../../http/mixer/quota-rules.ts';
import { fixedAttributes } from '../../http/mixer/route-settings.ts';
import type { NetworkFilterDefinition } from '../../network-filter.ts';
import { openedAttributes, reportedAttributes } from './connection-attributes.ts';
import { ConnectionMixerFilter } from './filter.ts';

const name = 'xebec.filters.network.mixer';
const defaultIntervalMs = 10_000;
const shortestIntervalMs = 1_000;

export const networkMixerDefinition: NetworkFilterDefinition = {
  name,
  typeNames: [TcpMixerClientSchema.typeName],
  compile(bytes, _, context) {
    const config = decodeConfig(TcpMixerClientSchema, bytes);
    const client = config.client ?? create(MixerClientSchema);
    const { checks, reporter } = createClients<ConnectionCall>(client, context, name, 'tcp_mixer_filter');
    const side = proxySide(context);
    const fixed = [ownAttributes(side), fixedAttributes(client.mixerAttributes)];
    const opened = openedAttributes(side);
    const shared = {
      side,
      checks,
      reporter,
      checked: new AttributeSet(opened, ...fixed),
      reported: new AttributeSet([...opened, ...reportedAttributes()], ...fixed),
      quotaRules: config.quotaRules.map(compileQuotaRule),
      reportIntervalMs:
        config.reportInterval === undefined ? defaultIntervalMs : Math.max(shortestIntervalMs, durationMs(config.reportInterval)),
      clock: context.clock,
      idPrefix: deduplicationIds(context.random)(),
    };
    return { create: (callbacks) => new ConnectionMixerFilter(shared, callbacks), close: () => reporter?.close() };
  },
};
