import {
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_ServerHeaderTransformation,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { ProxyHeadersConfig } from '@xebec/schemas';

const FORWARD: Readonly<Record<string, HttpConnectionManager_ForwardClientCertDetails>> = {
  SANITIZE: HttpConnectionManager_ForwardClientCertDetails.SANITIZE,
  FORWARD_ONLY: HttpConnectionManager_ForwardClientCertDetails.FORWARD_ONLY,
  APPEND_FORWARD: HttpConnectionManager_ForwardClientCertDetails.APPEND_FORWARD,
  SANITIZE_SET: HttpConnectionManager_ForwardClientCertDetails.SANITIZE_SET,
  ALWAYS_FORWARD_ONLY: HttpConnectionManager_ForwardClientCertDetails.ALWAYS_FORWARD_ONLY,
};

/** What a proxy does with the headers that are its own. */
export interface ProxyHeaders {
  /** Empty: the data plane's own name. */
  readonly serverName: string;
  readonly serverTransformation: HttpConnectionManager_ServerHeaderTransformation;
  readonly forwardClientCert: HttpConnectionManager_ForwardClientCertDetails;
  readonly clientCertDetails: { subject: boolean; uri: boolean; dns: boolean; cert: boolean; chain: boolean };
  readonly attemptCount: boolean;
  readonly suppressEnvoyHeaders: boolean;
  readonly generateRequestId: boolean;
  readonly forwardedPort: boolean;
  readonly forwardedHost: boolean;
  readonly preserveCase: boolean;
  /** Metadata exchange headers stay inside the mesh. */
  readonly exchangeInMeshOnly: boolean;
}

/** Reads ProxyConfig's `proxyHeaders`; outbound has no server name of its own, everything else does. */
export function proxyHeadersOf(config: ProxyHeadersConfig | undefined, outbound: boolean): ProxyHeaders {
  const details = config?.setCurrentClientCertDetails;
  const hidden = config?.server?.disabled === true;
  const named = config?.server?.value !== undefined && config.server.value !== '' ? config.server.value : outbound ? '' : 'istio-envoy';
  return {
    serverName: hidden ? '' : named,
    serverTransformation: hidden
      ? HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH
      : HttpConnectionManager_ServerHeaderTransformation.OVERWRITE,
    forwardClientCert: FORWARD[config?.forwardedClientCert ?? ''] ?? HttpConnectionManager_ForwardClientCertDetails.APPEND_FORWARD,
    clientCertDetails: {
      subject: details?.subject ?? true,
      uri: details?.uri ?? true,
      dns: details?.dns ?? true,
      cert: details?.cert ?? false,
      chain: details?.chain ?? false,
    },
    attemptCount: config?.attemptCount?.disabled !== true,
    suppressEnvoyHeaders: config?.envoyDebugHeaders?.disabled === true,
    generateRequestId: config?.requestId?.disabled !== true,
    forwardedPort: config?.xForwardedPort?.enabled === true,
    forwardedHost: config?.xForwardedHost?.enabled === true,
    preserveCase: config?.preserveHttp1HeaderCase === true,
    exchangeInMeshOnly: config?.metadataExchangeHeaders?.mode === 'IN_MESH',
  };
}

/** A gateway forwards client certificates by its topology, not by `proxyHeaders`. */
export function gatewayForwarding(details: string | undefined): HttpConnectionManager_ForwardClientCertDetails {
  return FORWARD[details ?? ''] ?? HttpConnectionManager_ForwardClientCertDetails.SANITIZE_SET;
}
