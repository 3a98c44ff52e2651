import { AuthenticationV1Api, type KubeConfig, type V1UserInfo } from '@kubernetes/client-node';
import { XebecError } from '@xebec/core';
import { serviceAccountId, type TrustDomain, unwrap } from '@xebec/identity';
import { type Authenticator, type PodReference, parseServiceAccountUser } from '../authenticator.ts';

export interface TokenReviewOptions {
  readonly config: KubeConfig;
  readonly audience: string;
  readonly trustDomain: TrustDomain;
  /** IDs by which callers may name this cluster; a call that names none is meant for it too. Without the option every name is. */
  readonly clusterIds?: readonly string[];
}

const SERVICE_ACCOUNTS = 'system:serviceaccounts';
const EXTRA = 'authentication.kubernetes.io/';

/** Asks the API server whose token it is, and that it was made for the CA. */
export function createTokenReviewAuthenticator(options: TokenReviewOptions): Authenticator {
  const api = options.config.makeApiClient(AuthenticationV1Api);
  const { audience, clusterIds } = options;
  const name = 'Kubernetes token';
  return {
    name,
    needs: 'token',
    async authenticate({ token, clusterId }) {
      if (token === undefined) throw new XebecError('E_TOKEN', 'no bearer token');
      if (clusterIds !== undefined && clusterId !== undefined && clusterId !== '' && !clusterIds.includes(clusterId))
        throw new XebecError('E_TOKEN', `the caller claims to be in another cluster than ${clusterIds.join(', ')}`);
      const review = await api.createTokenReview({
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [audience] } },
      });
      const result = review.status;
      if (result?.authenticated !== true) throw new XebecError('E_TOKEN', 'the API server does not accept the token');
      // A server without audience support answers without audiences: then nothing proves that the token was meant for the CA.
      if (result.audiences?.includes(audience) !== true) throw new XebecError('E_TOKEN', `the token is not for the audience ${audience}`);
      const account = parseServiceAccountUser(result.user?.username);
      // Older API servers may leave groups out; a user that has some and is in none of the service accounts' is another's.
      const groups = result.user?.groups;
      if (account === undefined || (groups !== undefined && groups.length > 0 && !groups.includes(SERVICE_ACCOUNTS)))
        throw new XebecError('E_TOKEN', "the token's user is no service account");
      const id = unwrap(serviceAccountId(options.trustDomain, account.namespace, account.name));
      const pod = podOf(result.user);
      return { id, account, provenBy: name, ...(pod === undefined ? {} : { pod }) };
    },
  };
}

function podOf(user: V1UserInfo | undefined): PodReference | undefined {
  const extra = (key: string): string | undefined => user?.extra?.[`${EXTRA}${key}`]?.[0];
  const [name, uid, node] = [extra('pod-name'), extra('pod-uid'), extra('node-name')];
  if (name === undefined || uid === undefined) return undefined;
  return { name, uid, ...(node === undefined ? {} : { node }) };
}
