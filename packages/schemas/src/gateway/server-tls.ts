import type { FindingList } from '../findings.ts';
import type { ServerTls } from './spec.ts';

type Path = readonly PropertyKey[];

/** What BoringSSL has, but for pre-shared keys. */
const CIPHERS: ReadonlySet<string> = new Set([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
]);

const WITHOUT = [
  ['serverCertificate', 'a server certificate'],
  ['privateKey', 'a private key'],
  ['caCertificates', 'certificates of CAs'],
  ['credentialName', 'a credential'],
] as const;

/** TLS that is terminated, or passed on, where connections come in. */
export function checkServerTls(tls: ServerTls | undefined, path: Path, findings: FindingList): void {
  if (tls === undefined) return;
  const { mode = 'PASSTHROUGH', credentialName = '', serverCertificate = '', privateKey = '', caCertificates = '', caCrl = '' } = tls;
  const { credentialNames = [], tlsCertificates = [] } = tls;
  checkCiphers(tls, path, findings);
  if (mode === 'ISTIO_MUTUAL') {
    for (const [field, what] of WITHOUT)
      if ((tls[field] ?? '') !== '') findings.error([...path, field], `ISTIO_MUTUAL uses the mesh's own certificates, not ${what}`);
    for (const field of ['tlsCertificates', 'credentialNames'] as const)
      if ((tls[field] ?? []).length > 0) findings.error([...path, field], "ISTIO_MUTUAL uses the mesh's own certificates");
    return;
  }
  const named = [credentialName !== '', credentialNames.length > 0, tlsCertificates.length > 0];
  if (
    (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') &&
    (named.includes(true) || `${caCrl}${serverCertificate}${privateKey}${caCertificates}` !== '')
  )
    findings.warning(path, `${mode} passes TLS on as it is: certificates have no effect`);
  if ([...named, serverCertificate !== '' && privateKey !== ''].filter(Boolean).length > 1)
    findings.error(path, 'only one of credentialName, credentialNames, tlsCertificates, and serverCertificate with privateKey can be set');
  const terminates = mode === 'SIMPLE' || mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
  if (terminates && (credentialName !== '' || credentialNames.length > 0)) return;
  if (terminates) checkFiles(tls, mode, path, findings);
  if (caCrl === '') return;
  if (credentialName !== '') findings.error([...path, 'caCrl'], 'cannot stand beside credentialName; put the list into the secret');
  if (mode === 'SIMPLE') findings.error([...path, 'caCrl'], 'SIMPLE asks for no client certificate that could be revoked');
}

function checkFiles(tls: ServerTls, mode: string, path: Path, findings: FindingList): void {
  const { tlsCertificates = [] } = tls;
  if (mode !== 'SIMPLE' && (tls.caCertificates ?? '') === '')
    findings.error([...path, 'caCertificates'], `must be set with mode ${mode}: clients are verified with it`);
  if (tlsCertificates.length > 2) findings.warning([...path, 'tlsCertificates'], 'at most 2 certificates are used');
  const pairs = tlsCertificates.length > 0 ? tlsCertificates : [tls];
  for (const [index, pair] of pairs.entries()) {
    const at = tlsCertificates.length > 0 ? [...path, 'tlsCertificates', index] : path;
    for (const field of ['serverCertificate', 'privateKey'] as const)
      if ((pair[field] ?? '') === '') findings.error([...at, field], `must be set with mode ${mode}; or name a secret with credentialName`);
  }
}

function checkCiphers(tls: ServerTls, path: Path, findings: FindingList): void {
  const { minProtocolVersion: version, cipherSuites = [] } = tls;
  if ((version === 'TLSV1_0' || version === 'TLSV1_1') && cipherSuites.length === 0)
    findings.warning([...path, 'minProtocolVersion'], 'TLS below 1.2 needs cipherSuites that it can speak; the defaults have none');
  const seen = new Set<string>();
  for (const [index, cipher] of cipherSuites.entries()) {
    const at = [...path, 'cipherSuites', index];
    // Operators of OpenSSL's list, such as "-" and "+", are passed on as they are.
    if (cipher !== '' && cipher !== 'ALL' && /^[\p{L}\p{N}]/u.test(cipher) && !CIPHERS.has(cipher))
      findings.warning(at, `"${cipher}" is not a cipher suite and is left out`);
    else if (seen.has(cipher)) findings.warning(at, `"${cipher}" stands twice`);
    seen.add(cipher);
  }
}
