import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AttackerIdentity } from './callers.ts';

interface LeafOptions {
  readonly names: string;
  readonly issuer?: string;
  readonly from?: string;
  readonly to?: string;
  readonly more?: readonly string[];
}

/** Certificates made by openssl: an authority that the mesh trusts, one that it does not, and leaves of every kind of wrongness. */
export class Forger {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }
  path(name: string): string {
    return join(this.#directory, name);
  }
  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }
  authority(name: string): void {
    this.#openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', `/O=${name}`],
      ...['-keyout', `${name}.key`, '-out', `${name}.pem`, '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
    );
  }
  /** A leaf signed by an authority, or by whatever else has a key. Times as openssl takes them: YYYYMMDDHHMMSSZ. */
  leaf(name: string, { names, issuer = 'root', from, to, more = [] }: LeafOptions): AttackerIdentity {
    const extensions = ['[v3]', `subjectAltName=critical,${names}`, ...(more.length > 0 ? more : USUAL)];
    writeFileSync(this.path(`${name}.ext`), `${extensions.join('\n')}\n`);
    this.#openssl(
      ...[
        'req',
        '-new',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-subj',
        '/O=leaf',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
      ],
    );
    this.#openssl(
      ...[...this.#authority(issuer), '-batch', '-notext', '-in', `${name}.csr`, '-out', `${name}.pem`],
      ...['-extfile', `${name}.ext`, '-extensions', 'v3'],
      ...(from === undefined ? [] : ['-startdate', from]),
      ...(to === undefined ? ['-days', '1'] : ['-enddate', to]),
    );
    const chain = issuer === 'root' || issuer === 'other' ? '' : this.read(`${issuer}.pem`);
    return { key: this.read(`${name}.key`), cert: `${this.read(`${name}.pem`)}${chain}` };
  }
  /** A revocation list of the authority with these leaves on it. */
  revoke(authority: string, leaves: readonly string[]): string {
    const ca = this.#authority(authority);
    for (const leaf of leaves) this.#openssl(...ca, '-revoke', `${leaf}.pem`);
    this.#openssl(...ca, '-gencrl', '-out', 'crl.pem');
    return this.path('crl.pem');
  }
  /** `openssl ca` as this authority, with its list of what it has issued. */
  #authority(name: string): string[] {
    const config = [
      '[ca]',
      'default_ca=d',
      '[d]',
      `database=${name}.txt`,
      'default_md=sha256',
      'default_crl_days=1',
      `crlnumber=${name}.number`,
    ];
    const more = ['policy=any', 'unique_subject=no', 'rand_serial=yes', 'new_certs_dir=.', '[any]', 'organizationName=optional'];
    writeFileSync(this.path(`${name}.cnf`), `${[...config, ...more].join('\n')}\n`);
    if (!existsSync(this.path(`${name}.txt`))) writeFileSync(this.path(`${name}.txt`), '');
    writeFileSync(this.path(`${name}.number`), '01\n');
    return ['ca', '-config', `${name}.cnf`, '-keyfile', `${name}.key`, '-cert', `${name}.pem`];
  }
  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#directory, stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

const USUAL = ['basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature', 'extendedKeyUsage=serverAuth,clientAuth'];
