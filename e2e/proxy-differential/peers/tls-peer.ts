import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { promisify } from 'node:util';
import type { CertificateFiles, Certificates } from '../harness/certificates.ts';
import type { Peer } from '../harness/family.ts';

const run = promisify(execFile);

/**
 * A TLS server that answers each HTTP/1 request with what it knows of the connection: SNI, ALPN, the client's name, whether the
 * session was resumed.
 */
export function tlsPeer(options: (certificates: Certificates) => Promise<TlsOptions> | TlsOptions) {
  return async (certificates: Certificates): Promise<Peer> => {
    const sockets = new Set<Socket>();
    let connections = 0;
    const server = createServer({ ALPNProtocols: ['http/1.1'], noDelay: true, ...(await options(certificates)) }, (socket: TLSSocket) => {
      const connection = ++connections;
      socket.on('error', () => undefined);
      socket.on('data', () => {
        const { subject } = socket.getPeerCertificate();
        const seen = [
          `sni=${String(socket.servername)}`,
          `alpn=${String(socket.alpnProtocol)}`,
          `client=${typeof subject?.CN === 'string' ? subject.CN : '-'}`,
          `resumed=${socket.isSessionReused()}`,
          `version=${socket.getProtocol()}`,
        ].join(' ');
        socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${seen.length}\r\n\r\n${seen}`);
      });
      void connection;
    });
    server.on('tlsClientError', () => undefined);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      port: (server.address() as AddressInfo).port, // a TCP server has one
      close() {
        server.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  };
}

export function identity({ certificate, key }: CertificateFiles): TlsOptions {
  return { cert: readFileSync(certificate), key: readFileSync(key) };
}

/** A server certificate of the suite's CA: for the given days (0 has ended already), or of an intermediate CA. */
export async function issue(
  certificates: Certificates,
  name: string,
  how: { readonly days?: number; readonly intermediate?: boolean },
): Promise<CertificateFiles> {
  const directory = dirname(certificates.ca);
  const at = (file: string): string => join(directory, `${name}-${file}`);
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const sign = async (
    subject: string,
    file: string,
    ca: { certificate: string; key: string },
    extensions: string,
    days: number,
  ): Promise<void> => {
    writeFileSync(at(`${file}.ext`), extensions);
    await run('openssl', ['req', '-new', ...made, '-keyout', at(`${file}.key`), '-out', at(`${file}.csr`), '-subj', subject]);
    // A number by chance: the CA's file of the last one would be written by several at once.
    const serial = ['-set_serial', `0x01${randomBytes(8).toString('hex')}`];
    const signer = ['-CA', ca.certificate, '-CAkey', ca.key, ...serial, '-days', String(days), '-extfile', at(`${file}.ext`)];
    await run('openssl', ['x509', '-req', '-in', at(`${file}.csr`), '-out', at(`${file}.pem`), ...signer]);
  };
  let ca = { certificate: certificates.ca, key: join(directory, 'ca.key') };
  if (how.intermediate === true) {
    await sign('/O=intermediate', 'between', ca, 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n', 30);
    ca = { certificate: at('between.pem'), key: at('between.key') };
  }
  await sign(
    `/CN=${name}.example`,
    'leaf',
    ca,
    'subjectAltName=DNS:server.example\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n',
    how.days ?? 30,
  );
  if (how.intermediate === true)
    writeFileSync(at('leaf.pem'), readFileSync(at('leaf.pem'), 'utf8') + readFileSync(at('between.pem'), 'utf8'));
  return { certificate: at('leaf.pem'), key: at('leaf.key') };
}
