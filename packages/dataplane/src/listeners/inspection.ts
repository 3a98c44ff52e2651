import { fromBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import type {
  ListenerFilterChainMatchPredicate,
  ListenerFilter as ListenerFilterProto,
} from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { OriginalDstSchema } from '@xebec/protos/envoy/extensions/filters/listener/original_dst/v3/original_dst';
import { TlsInspectorSchema } from '@xebec/protos/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import type { StatsScope } from '@xebec/telemetry';
import { typeNameOf } from '../config/unpack.ts';
import { createHttpInspector, httpInspectorType } from './listener-filters/http-inspector.ts';
import type { Findings, ListenerFilter, ListenerFilterResult } from './listener-filters/listener-filter.ts';
import { compileProxyProtocol, proxyProtocolType } from './listener-filters/proxy-protocol.ts';
import { createTlsInspector, tlsInspectorType } from './listener-filters/tls-inspector.ts';

/** One step of a listener: a filter, and for which connections it is left out. */
interface Step {
  readonly filter: ListenerFilter;
  readonly disabled: ((port: number, address: string) => boolean) | undefined;
}

/** The listener filters of a listener, compiled. */
export interface ListenerFilters {
  /** Whether the connection's destination is to be asked of the kernel. */
  readonly originalDst: boolean;
  readonly steps: readonly Step[];
}

/** Compiles listener filters; throws XebecError `E_CONFIG` for one that is not known. */
export function compileListenerFilters(filters: readonly ListenerFilterProto[], stats: StatsScope, where: string): ListenerFilters {
  let originalDst = false;
  const steps: Step[] = [];
  for (const proto of filters) {
    if (proto.configType.case === 'configDiscovery') {
      throw new XebecError('E_CONFIG', `${where}: listener filter "${proto.name}": config_discovery is not supported; use typed_config`);
    }
    const any = proto.configType.value;
    const type = any === undefined ? wellKnown(proto.name) : typeNameOf(any);
    const disabled = proto.filterDisabled === undefined ? undefined : predicate(proto.filterDisabled);
    const here = `${where}: listener filter "${proto.name}"`;
    try {
      switch (type) {
        case OriginalDstSchema.typeName:
          if (any !== undefined) fromBinary(OriginalDstSchema, any.value);
          originalDst = true;
          break;
        case tlsInspectorType:
          if (any !== undefined) fromBinary(TlsInspectorSchema, any.value);
          steps.push({ filter: createTlsInspector(stats), disabled });
          break;
        case httpInspectorType:
          steps.push({ filter: createHttpInspector(stats), disabled });
          break;
        case proxyProtocolType:
          steps.push({ filter: compileProxyProtocol(any?.value, stats, here), disabled });
          break;
        case 'envoy.extensions.filters.listener.original_src.v3.OriginalSrc':
          throw new XebecError(
            'E_CONFIG',
            `${here}: original_src is not supported: upstream connections carry the proxy's own address; remove the filter`,
          );
        default:
          throw new XebecError('E_CONFIG', `${here}: ${type === '' ? 'no typed_config' : type} is not supported`);
      }
    } catch (error) {
      if (error instanceof XebecError) throw error;
      throw new XebecError('E_CONFIG', `${here}: malformed configuration`, { cause: error });
    }
  }
  return { originalDst, steps };
}

function wellKnown(name: string): string {
  const types: Readonly<Record<string, string>> = {
    'envoy.filters.listener.original_dst': OriginalDstSchema.typeName,
    'envoy.filters.listener.tls_inspector': tlsInspectorType,
    'envoy.filters.listener.http_inspector': httpInspectorType,
    'envoy.filters.listener.proxy_protocol': proxyProtocolType,
  };
  return types[name] ?? '';
}

function predicate(proto: ListenerFilterChainMatchPredicate): (port: number, address: string) => boolean {
  const { rule } = proto;
  switch (rule.case) {
    case 'anyMatch':
      return () => rule.value;
    case 'notMatch': {
      const inner = predicate(rule.value);
      return (port, address) => !inner(port, address);
    }
    case 'orMatch': {
      const inner = rule.value.rules.map(predicate);
      return (port, address) => inner.some((holds) => holds(port, address));
    }
    case 'andMatch': {
      const inner = rule.value.rules.map(predicate);
      return (port, address) => inner.every((holds) => holds(port, address));
    }
    case 'destinationPortRange': {
      const { start, end } = rule.value;
      return (port) => port >= start && port < end;
    }
    default:
      return () => false;
  }
}

const noBytes = Buffer.alloc(0);
const maxInspectedBytes = 64 * 1024;

export function nothingFound(): Findings {
  return { transportProtocol: '', serverName: '', applicationProtocols: [], proxied: undefined, proxyTlvs: [], metadata: new Map() };
}

/** The listener filters of one connection, at work: bytes go in until they are done. */
export class Inspection {
  readonly findings = nothingFound();
  /** Bytes that no filter took for itself. */
  bytes: Buffer = noBytes;
  readonly #steps: readonly Step[];
  #at = 0;

  constructor(filters: ListenerFilters, destinationPort: number, destinationAddress: string) {
    const { steps } = filters;
    this.#steps = steps.some(({ disabled }) => disabled !== undefined)
      ? steps.filter(({ disabled }) => disabled?.(destinationPort, destinationAddress) !== true)
      : steps;
  }
  get idle(): boolean {
    return this.#steps.length === 0;
  }
  /** Takes more bytes. `done`: `findings` are complete and `bytes` are for the connection's filters. */
  receive(more: Buffer): 'need-more' | 'close' | 'done' {
    this.bytes = this.bytes.length === 0 ? more : Buffer.concat([this.bytes, more]);
    for (; this.#at < this.#steps.length; this.#at++) {
      const result: ListenerFilterResult = this.#steps[this.#at]?.filter.inspect(this.bytes, this.findings) ?? 0;
      if (result === 'close') return 'close';
      if (result === 'need-more') {
        if (this.bytes.length > maxInspectedBytes) continue;
        return 'need-more';
      }
      if (result > 0) this.bytes = this.bytes.subarray(result);
    }
    return 'done';
  }
}
