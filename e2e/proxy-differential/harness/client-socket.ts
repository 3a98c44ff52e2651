import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Certificates } from './certificates.ts';
import type { Exchange } from './family.ts';

type Target = Pick<Exclude<Exchange, { kind: 'admin' | 'pause' }>, 'from' | 'tls' | 'preamble'>;

/** Connects to a listener as an exchange says, and sends its preamble. Resolves with a string where the handshake fails. */
export async function openSocket(
  port: number,
  target: Target,
  certificates: Certificates,
  alpn?: readonly string[],
): Promise<Socket | string> {
  const plain = connect({
    port,
    host: '127.0.0.1',
    allowHalfOpen: true,
    noDelay: true,
    ...(target.from === undefined ? {} : { localAddress: target.from }),
  });
  plain.on('error', () => undefined);
  const connected = await new Promise<boolean>((resolve) => {
    plain.once('connect', () => resolve(true));
    plain.once('close', () => resolve(false));
  });
  if (!connected) return 'not connected';
  if (target.preamble !== undefined) plain.write(target.preamble);
  const { tls } = target;
  if (tls === undefined) return plain;
  const own = certificates.client;
  const protocols = tls.alpn ?? alpn;
  const secure = connectTls({
    socket: plain,
    ca: readFileSync(certificates.ca),
    rejectUnauthorized: false,
    ...(tls.servername === undefined ? {} : { servername: tls.servername }),
    ...(protocols === undefined ? {} : { ALPNProtocols: [...protocols] }),
    ...(tls.clientCertificate === true ? { cert: readFileSync(own.certificate), key: readFileSync(own.key) } : {}),
  });
  secure.on('error', () => undefined);
  const handshaken = await new Promise<boolean>((resolve) => {
    secure.once('secureConnect', () => resolve(true));
    secure.once('close', () => resolve(false));
  });
  return handshaken ? secure : 'TLS handshake failed';
}
