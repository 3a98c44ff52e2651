import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import type { OptionSpec } from '@xebec/daemon';
import type { CertificateManager } from './certificate-manager.ts';
import { fileIdentity } from './file-identity.ts';
import { rotatingChannelCredentials } from './rotating-channel-credentials.ts';
import { createFileSecrets } from './secrets/file-secrets.ts';

/** Flags of everything that takes configuration from galley; those of galley's own side have the same names. */
export const mcpPeerOptions: readonly OptionSpec[] = [
  { flags: '--mcp-addr <host:port>', description: 'take configuration from the MCP server there (galley), in plaintext', default: '' },
  {
    flags: '--mcp-tls-addr <host:port>',
    description: 'take it from there over mutual TLS, with the certificate of --mcp-cert-file or one from citadel (--ca-addr)',
    default: '',
  },
  { flags: '--mcp-cert-file <file>', description: 'certificate to show at --mcp-tls-addr; followed as the file changes', default: '' },
  { flags: '--mcp-key-file <file>', description: 'its key', default: '' },
  { flags: '--mcp-ca-file <file>', description: "roots of the MCP server's certificate", default: '' },
  {
    flags: '--mcp-server-id <id>',
    description:
      'SPIFFE ID that the MCP server must have (default: its certificate must name the host of --mcp-tls-addr; for an IP address istio-galley.istio-system.svc)',
    default: '',
  },
];

const GALLEY = 'istio-galley.istio-system.svc';

/** Where configuration comes from by MCP, and how to prove who asks. */
export interface McpPeer {
  readonly address: string;
  /** Absent: plaintext. */
  readonly security?: {
    readonly credentials: ChannelCredentials;
    /** By which name an IP address is checked. */
    readonly serverName?: string;
  };
  close(): void;
}

export interface McpPeerSurroundings {
  /** The certificate from citadel; undefined without `--ca-addr`. */
  readonly identity: () => CertificateManager | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the flags ask for; undefined where they name no MCP server. Files that are wrong now fail at once, later they are logged. */
export async function mcpPeer(
  options: Readonly<Record<string, string>>,
  { identity, clock, logger }: McpPeerSurroundings,
): Promise<McpPeer | undefined> {
  const { mcpAddr = '', mcpTlsAddr = '', mcpServerId = '', mcpCertFile = '', mcpKeyFile = '', mcpCaFile = '' } = options;
  const files = { '--mcp-cert-file': mcpCertFile, '--mcp-key-file': mcpKeyFile, '--mcp-ca-file': mcpCaFile };
  const given = Object.entries(files).filter(([, file]) => file !== '');
  if (mcpTlsAddr === '') {
    const [flag] = given[0] ?? (mcpServerId === '' ? [] : ['--mcp-server-id']);
    if (flag !== undefined) throw new XebecError('E_FLAG', `${flag} is for TLS: give --mcp-tls-addr instead of --mcp-addr`);
    return mcpAddr === '' ? undefined : { address: mcpAddr, close: () => undefined };
  }
  if (mcpAddr !== '') throw new XebecError('E_FLAG', 'configuration comes from --mcp-addr or from --mcp-tls-addr; give one of them');
  if (mcpServerId !== '' && !mcpServerId.startsWith('spiffe://'))
    throw new XebecError(
      'E_FLAG',
      `--mcp-server-id takes a SPIFFE ID such as spiffe://cluster.local/ns/istio-system/sa/istio-galley-service-account, but got "${mcpServerId}"`,
    );
  const serverId = mcpServerId === '' ? undefined : mcpServerId;
  const secured = (held: CertificateManager) => ({
    address: mcpTlsAddr,
    security: {
      credentials: rotatingChannelCredentials(held, serverId),
      ...(isIP(hostOf(mcpTlsAddr)) === 0 ? {} : { serverName: GALLEY }),
    },
  });
  if (given.length === 0) {
    const held = identity();
    if (held === undefined)
      throw new XebecError(
        'E_FLAG',
        '--mcp-tls-addr needs a certificate: give --ca-addr, or --mcp-cert-file, --mcp-key-file and --mcp-ca-file',
      );
    return { ...secured(held), close: () => undefined };
  }
  for (const [flag, file] of Object.entries(files)) {
    if (file === '') throw new XebecError('E_FLAG', `${flag} is missing: ${given.map(([name]) => name).join(' and ')} need it too`);
    await readFile(file).catch((cause: unknown) => {
      throw new XebecError('E_FLAG', `${flag} "${file}" cannot be read: ${errorText(cause)}`, { cause });
    });
  }
  const secrets = createFileSecrets({ clock, logger });
  const held = fileIdentity(secrets, { chainFile: mcpCertFile, keyFile: mcpKeyFile, rootFile: mcpCaFile }, '');
  return {
    ...secured(held),
    close: () => {
      held.close();
      secrets.close();
    },
  };
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '');
}
