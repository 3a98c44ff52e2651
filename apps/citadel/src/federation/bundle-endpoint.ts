import { readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type CertificateManager, keepFresh, liveTlsOptions } from '@xebec/agent';
import { errorText, type Logger, XebecError } from '@xebec/core';
import { type BundleDocument, renderBundle } from '@xebec/identity';

/** How the endpoint proves itself (SPIFFE Federation, section 5): by files for its host name, or by Citadel's own SVID. */
export type EndpointIdentity =
  | { readonly profile: 'https_web'; readonly certificateFile: string; readonly keyFile: string }
  | { readonly profile: 'https_spiffe'; readonly certificates: CertificateManager };

export interface BundleEndpointOptions {
  readonly host: string;
  readonly port: number;
  readonly identity: EndpointIdentity;
  /** Undefined before the roots are loaded. */
  bundle(): BundleDocument | undefined;
  readonly logger: Logger;
}

export interface BundleEndpoint {
  readonly port: number;
  close(): Promise<void>;
}

const FILES_LOOK_MS = 5000;
const LIMITS = { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 5000 };
const MAX_CONNECTIONS = 512;

/** Serves the trust domain's bundle document to whoever asks: it is public. `GET /` and nothing else. */
export async function serveBundle(options: BundleEndpointOptions): Promise<BundleEndpoint> {
  const { identity, logger } = options;
  const tls = identity.profile === 'https_web' ? readPair(identity) : liveTlsOptions(identity.certificates);
  const server = createServer({ ...LIMITS, ...tls, minVersion: 'TLSv1.2' }, (request, response) => {
    const answer = (code: number, headers: Record<string, string>, body: string) => {
      response.writeHead(code, { 'content-length': Buffer.byteLength(body), connection: 'close', ...headers });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (request.url?.split('?', 1)[0] !== '/') return answer(404, {}, '');
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, { allow: 'GET, HEAD' }, '');
    const bundle = options.bundle();
    if (bundle === undefined) return answer(503, { 'retry-after': '5' }, '');
    return answer(200, { 'content-type': 'application/json', 'cache-control': 'no-cache' }, renderBundle(bundle));
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('tlsClientError', () => undefined);
  const stopFollowing = identity.profile === 'https_web' ? followFiles(server, identity, logger) : keepFresh(server, identity.certificates);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      stopFollowing();
      reject(new XebecError('E_LISTEN', `--bundle-addr ${options.host}:${options.port}: ${error.message}`));
    });
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  return {
    port,
    async close() {
      stopFollowing();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Files {
  readonly certificateFile: string;
  readonly keyFile: string;
}

function readPair({ certificateFile, keyFile }: Files): { cert: Buffer; key: Buffer } {
  try {
    return { cert: readFileSync(certificateFile), key: readFileSync(keyFile) };
  } catch (error) {
    throw new XebecError('E_FLAG', `--bundle-cert and --bundle-key cannot be read: ${errorText(error)}`);
  }
}

/** A web certificate is renewed by writing the files again; a pair that does not fit leaves the old one. */
function followFiles(server: Server, files: Files, logger: Logger): () => void {
  const stamp = () => {
    try {
      return [files.certificateFile, files.keyFile].map((file) => statSync(file).mtimeMs).join();
    } catch {
      return '';
    }
  };
  let seen = stamp();
  const timer = setInterval(() => {
    const now = stamp();
    if (now === '' || now === seen) return;
    seen = now;
    try {
      server.setSecureContext({ ...readPair(files), minVersion: 'TLSv1.2' });
      logger.info({ certificate: files.certificateFile }, 'the bundle endpoint shows its new certificate');
    } catch (error) {
      logger.warn({ code: 'E_BUNDLE_ENDPOINT' }, `the new certificate of the bundle endpoint cannot be used: ${errorText(error)}`);
    }
  }, FILES_LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
