import { BlockList, isIP } from 'node:net';
import { XebecError } from '@xebec/core';
import { parseServiceAccountPath, parseSpiffeId, parseXfcc, type TrustDomain, unwrap } from '@xebec/identity';
import type { Authenticator } from '../authenticator.ts';

export interface TrustedGatewayOptions {
  /** Networks whose word is taken, such as `10.4.0.0/16`: whoever is in them can be anybody. Never any by default. */
  readonly cidrs: readonly string[];
  readonly trustDomain: TrustDomain;
}

/**
 * A gateway that ended the client's mutual TLS tells whom it saw in `x-forwarded-client-cert`. The last element counts, which the gateway
 * itself has written; what stands before it may be the client's own.
 */
export function createTrustedGatewayAuthenticator(options: TrustedGatewayOptions): Authenticator {
  const networks = new BlockList();
  for (const cidr of options.cidrs) {
    const [address = '', bits = '', more] = cidr.trim().split('/');
    const family = isIP(address);
    const prefix = Number(bits);
    if (family === 0 || more !== undefined || !/^\d{1,3}$/.test(bits) || prefix > (family === 4 ? 32 : 128))
      throw new XebecError('E_FLAG', `the network of trusted gateways "${cidr.trim()}" must be a CIDR such as 10.4.0.0/16`);
    networks.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  }
  const name = 'trusted gateway';
  return {
    name,
    needs: 'forwardedCertificates',
    authenticate({ peer, forwardedCertificates }) {
      if (forwardedCertificates === undefined) throw new XebecError('E_XFCC', 'no x-forwarded-client-cert');
      const address = hostOf(peer);
      if (address === undefined || !networks.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6'))
        throw new XebecError('E_XFCC', `${peer} is in no network of trusted gateways`);
      const seen = unwrap(parseXfcc(forwardedCertificates)).at(-1);
      const [uri, second] = seen?.uris ?? [];
      if (uri === undefined || second !== undefined)
        throw new XebecError('E_XFCC', `the last certificate has ${seen?.uris.length ?? 0} URIs instead of one`);
      const id = unwrap(parseSpiffeId(uri));
      if (id.trustDomain !== options.trustDomain)
        throw new XebecError('E_SVID_TRUST_DOMAIN', `the gateway's client is of the trust domain ${id.trustDomain}`);
      if (id.path === '') throw new XebecError('E_SVID_PATH', "the gateway's client shows a trust domain's ID, not a workload's");
      const account = parseServiceAccountPath(id.path);
      const named = account === undefined ? {} : { account: { namespace: account.namespace, name: account.serviceAccount } };
      return { id: id.id, provenBy: name, ...named };
    },
  };
}

/** The address in `10.1.2.3:40000` or `[fd00::1]:40000`; an IPv4 address in IPv6 clothes is the IPv4 address. */
function hostOf(peer: string): string | undefined {
  const colon = peer.lastIndexOf(':');
  const host = (colon === -1 ? peer : peer.slice(0, colon)).replaceAll(/[[\]]/g, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(host) === 0 ? undefined : host;
}
