import type { StreamInfo } from '@xebec/telemetry';

type Connection = StreamInfo['connection'];

/** Who calls whom, as CheckRequest's `source` and `destination` say it, for requests and for connections alike. */
export function checkParties(connection: Connection, includePeerCertificate: boolean) {
  const peer = connection.tls?.peer;
  const address = (host: string, port: number) => ({
    address: { case: 'socketAddress' as const, value: { address: host, portSpecifier: { case: 'portValue' as const, value: port } } },
  });
  return {
    source: {
      address: address(connection.remoteAddress, connection.remotePort),
      principal: peer === undefined ? '' : (peer.uriSans[0] ?? peer.dnsSans[0] ?? peer.subject),
      certificate: includePeerCertificate && peer !== undefined ? encodeURIComponent(peer.pem) : '',
    },
    destination: {
      address: address(connection.localAddress, connection.localPort),
      principal: connection.tls?.localUriSan ?? '',
    },
  };
}

/** The dynamic metadata of the namespaces that the authorizer is to know. */
export function checkMetadata({ dynamicMetadata }: StreamInfo, namespaces: readonly string[]): Record<string, Record<string, never>> {
  const metadata: Record<string, Record<string, never>> = {};
  for (const name of namespaces) {
    const values = dynamicMetadata.get(name);
    // Metadata is JSON by construction; a copy through JSON drops what is not.
    if (values !== undefined) metadata[name] = JSON.parse(JSON.stringify(values)) as Record<string, never>;
  }
  return metadata;
}
