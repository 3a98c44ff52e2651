import type { ClientTls } from '../destination-rule/spec.ts';
import type { FindingList } from '../findings.ts';

const CONFIG_MAP = 'configmap://';

/** TLS towards a destination. */
export function checkClientTls(tls: ClientTls | undefined, namespace: string, path: readonly PropertyKey[], findings: FindingList): void {
  if (tls === undefined) return;
  const { mode = 'DISABLE', credentialName = '', clientCertificate = '', privateKey = '', caCertificates = '', caCrl = '' } = tls;
  if (credentialName.startsWith(CONFIG_MAP))
    findings.refuse([...path, 'credentialName'], configMapProblem(credentialName.slice(CONFIG_MAP.length), namespace));
  const verifies = caCertificates !== '' || (tls.subjectAltNames ?? []).length > 0;
  if (tls.insecureSkipVerify === true && ((mode === 'SIMPLE' && (verifies || credentialName !== '')) || (mode === 'MUTUAL' && verifies)))
    findings.error([...path, 'insecureSkipVerify'], 'cannot be true beside what the server is verified with');
  if (mode !== 'SIMPLE' && mode !== 'MUTUAL') return;
  if (credentialName !== '') {
    if (`${clientCertificate}${caCertificates}${privateKey}${caCrl}` !== '')
      findings.error([...path, 'credentialName'], 'brings all certificates: files cannot be named beside it');
  } else if (mode === 'MUTUAL') {
    if (clientCertificate === '') findings.error([...path, 'clientCertificate'], 'must be set with mode MUTUAL');
    if (privateKey === '') findings.error([...path, 'privateKey'], 'must be set with mode MUTUAL');
  }
}

function configMapProblem(name: string, namespace: string): string | undefined {
  const [mapNamespace = '', mapName = ''] = name.split('/');
  if (mapNamespace === '' || mapName === '') return `"${CONFIG_MAP}${name}" is not ${CONFIG_MAP}NAMESPACE/NAME`;
  return mapNamespace === namespace && namespace !== ''
    ? undefined
    : `a ConfigMap of namespace "${mapNamespace}" cannot be used in "${namespace}"`;
}
