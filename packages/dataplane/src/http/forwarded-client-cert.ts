import type { ConnectionInfo } from '@xebec/telemetry';
import { type HeaderList, header, removeHeader, setHeader } from '@xebec/wire';
import type { HttpSettings } from './http-settings.ts';

const name = 'x-forwarded-client-cert';

/** Sets, appends, keeps or removes x-forwarded-client-cert as `forward_client_cert_details` says. */
export function forwardedClientCert(headers: HeaderList, connection: ConnectionInfo, settings: HttpSettings): void {
  const { forwardCert } = settings;
  if (forwardCert === 'always-forward-only') return;
  const peer = connection.tls?.peer;
  if (forwardCert === 'sanitize' || peer === undefined) {
    removeHeader(headers, name);
    return;
  }
  if (forwardCert === 'forward-only') return;
  const { certDetails } = settings;
  const parts: string[] = [];
  const ownUri = connection.tls?.localUriSan;
  if (ownUri !== undefined) parts.push(`By=${ownUri}`);
  parts.push(`Hash=${peer.sha256}`);
  if (certDetails.cert) parts.push(`Cert="${encodeURIComponent(peer.pem)}"`);
  if (certDetails.chain) parts.push(`Chain="${encodeURIComponent(connection.tls?.peerChain?.() ?? peer.pem)}"`);
  if (certDetails.subject) parts.push(`Subject="${peer.subject}"`);
  if (certDetails.uri) parts.push(`URI=${peer.uriSans.join(',')}`);
  if (certDetails.dns) for (const dns of peer.dnsSans) parts.push(`DNS=${dns}`);
  const element = parts.join(';');
  const before = header(headers, name);
  setHeader(headers, name, forwardCert === 'append-forward' && before !== undefined ? `${before},${element}` : element);
}
