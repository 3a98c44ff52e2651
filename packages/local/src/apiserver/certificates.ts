import 'reflect-metadata';
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
const LEAF_DAYS = 365;

export interface KeyPairPem {
  readonly certificate: string;
  readonly key: string;
}

/** The API server's own authority, kept in its data directory. */
export interface ClusterAuthority {
  readonly caPem: string;
  /** Signs a certificate for a server under these names and addresses. */
  server(names: readonly string[]): Promise<KeyPairPem>;
  /** Signs a client certificate: the common name is the user, organisations are the groups. */
  client(user: string, groups: readonly string[]): Promise<KeyPairPem>;
}

function pem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return pem('PRIVATE KEY', await webcrypto.subtle.exportKey('pkcs8', key));
}

/** A file only its owner may read. */
export function writeSecret(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}

/** Loads the authority of a data directory, making it the first time. */
export async function loadAuthority(dataDir: string, nowMs: number): Promise<ClusterAuthority> {
  const certificateFile = join(dataDir, 'ca.crt');
  const keyFile = join(dataDir, 'ca.key');
  if (!existsSync(certificateFile) || !existsSync(keyFile)) {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serial(),
      name: 'CN=xebec-apiserver-ca',
      notBefore: new Date(nowMs - DAY_MS),
      notAfter: new Date(nowMs + CA_DAYS * DAY_MS),
      keys,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    writeSecret(keyFile, await exportKey(keys.privateKey));
    writeFileSync(certificateFile, `${certificate.toString('pem')}\n`);
  }
  const caPem = readFileSync(certificateFile, 'utf8');
  const issuer = new x509.X509Certificate(caPem);
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    x509.PemConverter.decodeFirst(readFileSync(keyFile, 'utf8')),
    ALGORITHM,
    false,
    ['sign'],
  );
  const leaf = async (subject: string, usage: x509.ExtendedKeyUsage, names: readonly string[]): Promise<KeyPairPem> => {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject,
      issuer: issuer.subject,
      notBefore: new Date(nowMs - DAY_MS / 24),
      notAfter: new Date(nowMs + LEAF_DAYS * DAY_MS),
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
        ...(names.length === 0
          ? []
          : [new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })))]),
      ],
    });
    return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
  };
  return {
    caPem,
    server: (names) => leaf('CN=kube-apiserver', x509.ExtendedKeyUsage.serverAuth, names),
    client: (user, groups) => leaf([`CN=${user}`, ...groups.map((group) => `O=${group}`)].join(', '), x509.ExtendedKeyUsage.clientAuth, []),
  };
}

function serial(): string {
  return `40${randomBytes(15).toString('hex')}`;
}

/** True when a certificate in PEM is in force, not about to end, issued by the authority, and covers all names. */
export function coversNames(certificatePem: string, caPem: string, names: readonly string[], nowMs: number): boolean {
  const certificate = new X509Certificate(certificatePem);
  const covered = names.every((name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined);
  return covered && new Date(certificate.validTo).getTime() > nowMs + 30 * DAY_MS && certificate.checkIssued(new X509Certificate(caPem));
}
