import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Files in PEM, made anew for each run of the suite and the same for both proxies. */
export interface Certificates {
  readonly ca: string;
  /** CN=server.example; DNS server.example, *.wild.example; URI spiffe://cluster.local/ns/default/sa/server; IP 127.0.0.1. */
  readonly server: CertificateFiles;
  /** CN=other.example; DNS other.example. For a second filter chain. */
  readonly other: CertificateFiles;
  /** CN=client.example, O=Clients; DNS client.example; URI spiffe://cluster.local/ns/default/sa/client. */
  readonly client: CertificateFiles;
  /** A client of another CA. */
  readonly stranger: CertificateFiles;
  readonly strangerCa: string;
}

async function authority(directory: string, name: string): Promise<CertificateFiles> {
  const files = { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) };
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', files.key, '-out', files.certificate];
  await run('openssl', ['req', '-x509', ...made, '-days', '30', '-subj', `/O=${name}`, '-addext', 'keyUsage=critical,keyCertSign,cRLSign']);
  return files;
}

async function leaf(directory: string, ca: CertificateFiles, name: string, subject: string, names: string): Promise<CertificateFiles> {
  const files = { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) };
  const request = join(directory, `${name}.csr`);
  const extensions = join(directory, `${name}.ext`);
  await writeFile(extensions, `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', files.key];
  await run('openssl', ['req', '-new', ...key, '-out', request, '-subj', subject]);
  const signer = ['-CA', ca.certificate, '-CAkey', ca.key, '-CAcreateserial'];
  await run('openssl', ['x509', '-req', '-in', request, ...signer, '-out', files.certificate, '-days', '30', '-extfile', extensions]);
  return files;
}

export async function makeCertificates(directory: string): Promise<Certificates> {
  const ca = await authority(directory, 'ca');
  const strangerCa = await authority(directory, 'stranger-ca');
  const spiffe = 'URI:spiffe://cluster.local/ns/default/sa';
  return {
    ca: ca.certificate,
    strangerCa: strangerCa.certificate,
    server: await leaf(
      directory,
      ca,
      'server',
      '/CN=server.example',
      `DNS:server.example,DNS:*.wild.example,${spiffe}/server,IP:127.0.0.1`,
    ),
    other: await leaf(directory, ca, 'other', '/CN=other.example', 'DNS:other.example'),
    client: await leaf(directory, ca, 'client', '/O=Clients/CN=client.example', `DNS:client.example,${spiffe}/client`),
    stranger: await leaf(directory, strangerCa, 'stranger', '/CN=stranger.example', 'DNS:stranger.example'),
  };
}
