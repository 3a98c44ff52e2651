import { responseFlagsText } from '@xebec/telemetry';
import type { Attribute } from '../../http/mixer/attribute.ts';
import type { ConnectionCall } from '../../http/mixer/call.ts';
import { commonAttributes } from '../../http/mixer/common-attributes.ts';
import type { ProxySide } from '../../http/mixer/peers.ts';

/** What is known when a connection comes: all that a check can be about. */
export function openedAttributes(side: ProxySide): Attribute<ConnectionCall>[] {
  return [
    ...commonAttributes(side),
    { name: 'connection.id', kind: 'string', read: ({ connectionId }) => connectionId },
    { name: 'context.protocol', kind: 'string', read: () => 'tcp' },
    { name: 'context.time', kind: 'timestamp', read: ({ nowMs }) => nowMs },
  ];
}

/** What a report tells beside that: bytes since the one before, and in all. */
export function reportedAttributes(): Attribute<ConnectionCall>[] {
  return [
    { name: 'connection.event', kind: 'string', read: ({ event }) => event },
    { name: 'connection.received.bytes', kind: 'int64', read: ({ info, reported }) => info.bytesReceived - reported.received },
    { name: 'connection.received.bytes_total', kind: 'int64', read: ({ info }) => info.bytesReceived },
    { name: 'connection.sent.bytes', kind: 'int64', read: ({ info, reported }) => info.bytesSent - reported.sent },
    { name: 'connection.sent.bytes_total', kind: 'int64', read: ({ info }) => info.bytesSent },
    {
      name: 'connection.duration',
      kind: 'duration',
      read: ({ event, info, nowMs }) => (event === 'close' ? Math.max(0, nowMs - info.startTimeMs) : undefined),
    },
    {
      name: 'context.proxy_error_code',
      kind: 'string',
      read: ({ info }) => (info.hasResponseFlags === false ? '-' : responseFlagsText(info.responseFlags)),
    },
    { name: 'check.cache_hit', kind: 'bool', read: ({ outcome }) => outcome?.cacheHit },
    { name: 'quota.cache_hit', kind: 'bool', read: ({ outcome }) => outcome?.quotaCacheHit },
  ];
}
