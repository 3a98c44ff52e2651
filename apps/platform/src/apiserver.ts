import { XebecError } from '@xebec/core';
import { type DaemonSpec, parseHostPort } from '@xebec/daemon';
import { startApiServer } from '@xebec/local';

const list = (text: string | undefined) => (text ?? '').split(',').flatMap((item) => (item.trim() === '' ? [] : [item.trim()]));

/** The embedded API server and its controllers as a daemon. */
export const apiserverDaemon: DaemonSpec = {
  name: 'xebec-apiserver',
  summary: 'A Kubernetes-style API server with its controllers, on one SQLite file.',
  defaultHttpAddr: '127.0.0.1:6444',
  options: [
    { flags: '--data-dir <path>', description: 'database, keys and certificates', default: '.xebec/apiserver' },
    {
      flags: '--secure-addr <host:port,...>',
      description: 'where to serve HTTPS; the kubeconfig names the first',
      default: '127.0.0.1:6443',
    },
    { flags: '--kubeconfig-out <path>', description: 'where to write the admin kubeconfig (default: kubeconfig in the data directory)' },
    { flags: '--kubelet-socket <path>', description: "the node agent's Unix socket, for logs, exec and port-forward" },
    { flags: '--service-cidr <cidr>', description: 'addresses of services', default: '10.96.0.0/12' },
    { flags: '--tls-san <names>', description: 'more names and addresses for the certificate, by commas' },
  ],
  start: async ({ options, logger, health }) => {
    const addresses = list(options['secureAddr']).map((text) => {
      const parsed = parseHostPort(text);
      if (parsed === undefined) throw new XebecError('E_FLAG', `--secure-addr wants host:port, such as 127.0.0.1:6443, but got "${text}"`);
      return parsed;
    });
    if (addresses.length === 0) throw new XebecError('E_FLAG', '--secure-addr wants at least one host:port, such as 127.0.0.1:6443');
    const { kubeletSocket, kubeconfigOut, serviceCidr } = options;
    const server = await startApiServer({
      dataDir: options['dataDir'] ?? '.xebec/apiserver',
      addresses,
      logger,
      extraSans: list(options['tlsSan']),
      ...(kubeletSocket === undefined ? {} : { kubeletSocket }),
      ...(kubeconfigOut === undefined ? {} : { kubeconfigPath: kubeconfigOut }),
      ...(serviceCidr === undefined ? {} : { serviceCidr }),
    });
    health.addReadiness('apiserver', () => undefined);
    return server;
  },
};
