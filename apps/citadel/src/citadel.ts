import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Server } from '@grpc/grpc-js';
import { createCertificateManager, serverCredentials } from '@xebec/agent';
import { Backoff, errorText, type Logger, systemClock, systemRandom, XebecError } from '@xebec/core';
import { type DaemonContext, type DaemonSpec, hostPortOption } from '@xebec/daemon';
import {
  certificateChain,
  certificatePem,
  issueLeaf,
  KEY_TYPES,
  type KeyType,
  parseCsr,
  parseTrustDomain,
  serviceAccountId,
  type TrustDomain,
  unwrap,
} from '@xebec/identity';
import { IstioCertificateService } from '@xebec/protos/istio/v1/auth/ca';
import { JwtSvidService } from '@xebec/protos/xebec/identity/v1/jwt_svid';
import { TrustService } from '@xebec/protos/xebec/identity/v1/trust';
import { serviceDefinition } from '@xebec/rpc';
import type { Authenticator } from './authenticator.ts';
import { createAuthenticate } from './authenticators/authenticate.ts';
import { createClientCertificateAuthenticator } from './authenticators/client-certificate.ts';
import { createImpersonation, type Impersonate, parseTrustedAccounts } from './authenticators/impersonation.ts';
import { oidcSettings } from './authenticators/oidc-settings.ts';
import { createOidcAuthenticator } from './authenticators/oidc-token.ts';
import { createTrustedGatewayAuthenticator } from './authenticators/trusted-gateway.ts';
import { type AuthorityStore, createDirectoryStore, makeSelfSigned } from './authority-store.ts';
import { certificateService } from './certificate-service.ts';
import { type ControlDesk, createDirectoryDesk } from './control/control-desk.ts';
import { runControl } from './control/run-control.ts';
import type { DistributedTrust, Distribution } from './distribution/config-maps.ts';
import { defaultDnsNames, mergeDnsNames, parseDnsNames } from './dns-names.ts';
import { type ExternalCa, openExternalCa } from './external-signer/external-ca.ts';
import { serveBundle } from './federation/bundle-endpoint.ts';
import type { MeshText } from './federation/mesh-trust.ts';
import { bundleEndpointSettings, FEDERATION_OPTIONS, otherBundles, runFederation } from './federation/run-federation.ts';
import { createAuthorityIssuer } from './issuing/issuer.ts';
import { createJwtKeys } from './jwt-svid/jwt-keys.ts';
import { JWT_SVID_OPTIONS, jwtSvidSettings } from './jwt-svid/jwt-svid-options.ts';
import { jwtSvidService } from './jwt-svid/jwt-svid-service.ts';
import { type KeptText, keptInDirectory } from './jwt-svid/kept-text.ts';
import { openKeyManager } from './key-manager/open-key-manager.ts';
import { createSealedStore, createSealedText, sealByFile } from './key-manager/sealed-store.ts';
import { type CitadelMetrics, createMetrics } from './metrics.ts';
import { createRateLimit } from './rate-limit.ts';
import type { KeeperView } from './roots/keeper-view.ts';
import { makeManagedRoot } from './roots/made-root.ts';
import { followPluggedIn } from './roots/plugged-in.ts';
import { RootKeeper } from './roots/root-keeper.ts';
import { renewRoots } from './roots/root-renewal.ts';
import { createTrustService } from './trust-service/trust-service.ts';

export const citadel: DaemonSpec = {
  name: 'xebec-citadel',
  summary: 'Certificate authority of the mesh: signs what a service-account token or a certificate proves, hands out the root.',
  defaultHttpAddr: '0.0.0.0:15014',
  options: [
    { flags: '--grpc-addr <host:port>', description: 'IstioCertificateService over TLS', default: '0.0.0.0:8060' },
    { flags: '--kubeconfig <file>', description: 'API server to use; inside a cluster the pod tells' },
    { flags: '--ca-dir <dir>', description: 'keep the root in a directory, without an API server' },
    { flags: '--ca-key-passphrase-file <file>', description: 'encrypt keys and state of the CA at rest with the passphrase in this file' },
    { flags: '--ca-keys <where>', description: "keep keys of new roots elsewhere: vault:MOUNT (Vault's transit engine) or directory:DIR" },
    { flags: '--jwt-jwks <file>', description: 'accept OIDC tokens signed by a key of this JWKS' },
    { flags: '--jwt-jwks-uri <url>', description: 'accept OIDC tokens signed by a key that is served there' },
    {
      flags: '--jwt-issuer <issuer>',
      description: 'issuer that OIDC tokens must carry; alone, its discovery document tells where its keys are',
    },
    { flags: '--token-audience <audience>', description: 'audience that tokens must be for', default: 'istio-ca' },
    { flags: '--trust-domain <name>', description: 'trust domain of all identities', default: 'cluster.local' },
    { flags: '--cluster-domain <name>', description: 'DNS suffix of services', default: 'cluster.local' },
    { flags: '--namespace <namespace>', description: 'where the control plane lives', default: 'istio-system' },
    { flags: '--custom-dns-names <list>', description: 'DNS SANs: account.namespace:name,…; the control plane has its own', default: '' },
    { flags: '--workload-cert-ttl-s <seconds>', description: 'life of a certificate when none is asked for', default: '86400' },
    { flags: '--max-workload-cert-ttl-s <seconds>', description: 'longest life that may be asked for', default: '7776000' },
    { flags: '--root-cert-ttl-s <seconds>', description: 'life of a new self-signed root', default: '315360000' },
    { flags: '--root-key-type <type>', description: KEY_TYPES.join(', '), default: 'rsa-2048' },
    { flags: '--max-requests-per-second <n>', description: 'certificate requests answered per second', default: '5000' },
    ...JWT_SVID_OPTIONS,
    ...FEDERATION_OPTIONS,
  ],
  start,
};

async function start(context: DaemonContext): Promise<{ close(): Promise<void> }> {
  const { options, logger, health, signal } = context;
  const trustDomain = unwrap(parseTrustDomain(options['trustDomain'] ?? ''));
  const namespace = options['namespace'] ?? 'istio-system';
  const dnsNames = mergeDnsNames(
    defaultDnsNames(namespace, options['clusterDomain'] ?? 'cluster.local'),
    parseDnsNames(options['customDnsNames'] ?? ''),
  );
  const ttl = { defaultTtlMs: secondsOption(options, 'workloadCertTtlS'), maxTtlMs: secondsOption(options, 'maxWorkloadCertTtlS') };
  const rootTtlMs = secondsOption(options, 'rootCertTtlS');
  const rootKeyType = keyTypeOption(options['rootKeyType'] ?? '');
  const address = hostPortOption(options, 'grpcAddr');
  const perSecond = secondsOption(options, 'maxRequestsPerSecond') / 1000;
  const metrics = createMetrics(context.metrics);
  const platform = await openPlatform(options, namespace, trustDomain, logger);
  const seal = await sealByFile(options['caKeyPassphraseFile']);
  const keys = await openKeyManager(options['caKeys'], seal, process.env);
  const store = seal === undefined ? platform.store : createSealedStore(platform.store, seal);

  const bundleEndpoint = bundleEndpointSettings(options);
  const keeper = new RootKeeper({
    store,
    ...(bundleEndpoint === undefined ? {} : { publishForMs: 2 * bundleEndpoint.refreshHintMs }),
    makeRoot: () =>
      keys === undefined
        ? makeSelfSigned(trustDomain, rootTtlMs, rootKeyType, systemClock.now())
        : makeManagedRoot(keys, { organization: trustDomain, ttlMs: rootTtlMs, keyType: rootKeyType, clock: systemClock }),
    ...(keys === undefined ? {} : { keys }),
    replica: `${hostname()}:${address.port}`,
    ...(platform.external === undefined ? {} : { extraRootPem: platform.external.rootPem }),
    clock: systemClock,
    logger,
  });
  const authority = () => (serving ? keeper.view()?.authority : undefined);
  let serving = false;
  const knownRoots = {
    bundlePem: () => keeper.view()?.bundle.rootPem ?? '',
    signerRoots: (name: string) => federation.signerRoots(name),
  };
  health.addReadiness('root', () => (authority() === undefined ? `no root certificate yet from ${store.description}` : undefined));
  const gateways = (process.env['TRUSTED_GATEWAY_CIDR'] ?? '').split(',').filter((cidr) => cidr.trim() !== '');
  const authenticate = createAuthenticate({
    authenticators: [
      createClientCertificateAuthenticator({
        authority,
        trustDomain,
        clock: systemClock,
        isRevoked: ({ serialNumber }) => keeper.isRevoked(serialNumber),
      }),
      ...platform.authenticators,
      ...(gateways.length === 0 ? [] : [createTrustedGatewayAuthenticator({ cidrs: gateways, trustDomain })]),
    ],
    failures: metrics.authenticationFailures,
    logger,
  });
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': 64 * 1024,
    'grpc.max_concurrent_streams': 1000,
  });
  server.addService(
    serviceDefinition(IstioCertificateService),
    certificateService({
      authenticate,
      ...(platform.impersonate === undefined ? {} : { impersonate: platform.impersonate }),
      issuer: platform.external?.issuer(undefined, knownRoots) ?? createAuthorityIssuer(authority, systemClock),
      ...(platform.external === undefined ? {} : { issuerNamed: (name) => platform.external?.issuer(name, knownRoots) }),
      ttl,
      dnsNames,
      rateLimit: createRateLimit(perSecond, perSecond * 2),
      metrics,
      clock: systemClock,
      logger,
      issuing: () => {
        const view = keeper.view();
        return ({ id }, certificate) => keeper.issued(id, certificate, view);
      },
    }),
  );
  const jwtSvids = jwtSvidSettings(options);
  const keptJwtKeys = platform.keep('xebec-jwt-svid-keys');
  const jwtStore = seal === undefined ? keptJwtKeys : createSealedText(keptJwtKeys, seal);
  const jwtKeys = createJwtKeys({ store: jwtStore, policy: jwtSvids.policy, clock: systemClock, logger });
  server.addService(
    serviceDefinition(JwtSvidService),
    jwtSvidService({
      keys: jwtKeys,
      authenticate,
      ...jwtSvids,
      rateLimit: createRateLimit(perSecond, perSecond * 2),
      clock: systemClock,
      logger,
    }),
  );
  const federation = await runFederation({
    flags: options,
    trustDomain,
    ...(platform.meshConfigMap === undefined ? {} : { meshConfigMap: platform.meshConfigMap }),
    kept: platform.keep('xebec-federated-bundles'),
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  const ownBundle = () => {
    const bundle = keeper.view()?.bundle;
    return bundle === undefined
      ? undefined
      : { roots: bundle.roots, jwtKeys: jwtKeys.published(), sequence: bundle.version + jwtKeys.sequence() };
  };
  const trustService = createTrustService({
    keeper,
    trustDomain,
    authenticate,
    others: () => ({ jwtKeys: jwtKeys.jwks(), bundles: otherBundles(federation, ownBundle(), jwtKeys.jwks()) }),
    clock: systemClock,
    logger,
  });
  const closers: (() => void | Promise<void>)[] = [
    jwtKeys.subscribe(() => trustService.publish()),
    federation.subscribe(() => trustService.publish()),
    () => jwtKeys.close(),
    () => federation.close(),
  ];
  server.addService(serviceDefinition(TrustService), trustService.implementation);

  const serve = async () => {
    const first = await openWithRetry(keeper, store, logger, signal);
    if (first === undefined) return;
    // Its own server certificate comes from itself and rotates like any other.
    const ownId = unwrap(serviceAccountId(trustDomain, namespace, 'istio-citadel-service-account'));
    const ownNames = dnsNames.get(`istio-citadel-service-account.${namespace}`) ?? [];
    const manager = createCertificateManager({
      signCsr: async (csr, ttlSeconds) => {
        const template = { uri: ownId, dnsNames: ownNames, ttlMs: ttlSeconds * 1000, now: systemClock.now(), serial: randomBytes(16) };
        const current = keeper.view()?.authority ?? first.authority;
        return certificateChain(current, unwrap(await issueLeaf(current, unwrap(parseCsr(csr)), template)));
      },
      ttlMs: ttl.defaultTtlMs,
      clock: systemClock,
      random: systemRandom,
      logger: logger.child({ certificate: 'own server' }),
    });
    closers.push(() => manager.close());
    await manager.ready();
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`${address.host}:${address.port}`, serverCredentials(manager), (error, bound) =>
        error === null
          ? resolve(bound)
          : reject(new XebecError('E_LISTEN', `--grpc-addr ${address.host}:${address.port}: ${error.message}`)),
      ),
    );
    if (signal.aborted) return;
    serving = true;
    if (bundleEndpoint !== undefined) {
      const { address: at, files, refreshHintMs } = bundleEndpoint;
      const endpoint = await serveBundle({
        ...at,
        identity: files === undefined ? { profile: 'https_spiffe', certificates: manager } : { profile: 'https_web', ...files },
        bundle: () => {
          const bundle = ownBundle();
          return bundle === undefined ? undefined : { ...bundle, refreshHintMs };
        },
        logger,
      });
      closers.push(() => endpoint.close());
      logger.info({ bundlePort: endpoint.port, profile: files === undefined ? 'https_spiffe' : 'https_web' }, 'serving the trust bundle');
    }
    const distribution = platform.distribute(first.bundle, logger);
    let signer = first.rotation.active;
    const follow = (view: KeeperView) => {
      distribution.update(view.bundle);
      showExpiry(metrics, view);
      const domain = { trustDomain, roots: view.bundle.roots.map(certificatePem), jwtKeys: '' };
      manager.trust.set('trust-stream', { bundleVersion: BigInt(view.bundle.version), domains: [domain], crls: [] });
      if (view.rotation.active !== signer) manager.renew('the mesh goes over to another root', 0);
      signer = view.rotation.active;
    };
    follow(keeper.view() ?? first);
    const unfollow = keeper.subscribe(follow);
    const pluggedIn = followPluggedIn({ store, keeper, clock: systemClock, random: systemRandom, logger });
    const control = runControl({
      desk: platform.desk,
      keeper,
      trustDomain,
      citadel: `${hostname()}/${process.pid}`,
      problem: () => pluggedIn.problem(),
      clock: systemClock,
      logger,
    });
    const presence = platform.followPresence?.(keeper);
    const renewal = renewRoots({
      keeper,
      organization: trustDomain,
      ttlMs: rootTtlMs,
      clock: systemClock,
      random: systemRandom,
      logger,
    });
    closers.push(
      () => renewal.close(),
      () => presence?.close(),
      () => control.close(),
      () => pluggedIn.close(),
      unfollow,
      () => distribution.close(),
      () => trustService.close(),
      () => keeper.close(),
    );
    const { certificate } = first.authority;
    logger.info({ grpcPort: port, root: store.description, serialNumber: certificate.serialNumber }, 'signing');
  };
  // With an API server that is away the daemon is up, healthy and not ready.
  serve().catch((error: unknown) => {
    logger.error({ code: error instanceof XebecError ? error.code : 'E_START' }, error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
    process.kill(process.pid, 'SIGTERM');
  });
  return {
    async close() {
      for (const close of closers) await close();
      await platform.close();
      await keys?.close();
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    },
  };
}

interface Platform {
  readonly store: AuthorityStore;
  /** By token: OIDC first, then what the API server judges. */
  readonly authenticators: readonly Authenticator[];
  readonly impersonate?: Impersonate;
  readonly desk: ControlDesk;
  /** A private place for a text of that name. */
  keep(name: string): KeptText;
  /** MeshConfig of the cluster. */
  readonly meshConfigMap?: MeshText;
  distribute(first: DistributedTrust, logger: Logger): Distribution;
  /** Who signs leaves in the CA's place. */
  readonly external?: ExternalCa;
  /** Finds out who has gone for good. */
  followPresence?(keeper: RootKeeper): { close(): void };
  close(): Promise<void>;
}

async function openPlatform(
  options: Readonly<Record<string, string>>,
  namespace: string,
  trustDomain: TrustDomain,
  logger: Logger,
): Promise<Platform> {
  const audience = options['tokenAudience'] ?? 'istio-ca';
  const settings = oidcSettings(options, process.env);
  const oidc = settings === undefined ? [] : [createOidcAuthenticator({ ...settings, trustDomain, clock: systemClock })];
  const directory = options['caDir'];
  const kubeconfig = options['kubeconfig'];
  const kubernetes = kubeconfig !== undefined || process.env['KUBERNETES_SERVICE_HOST'] !== undefined;
  if (directory !== undefined && !kubernetes) {
    if (oidc.length === 0)
      throw new XebecError('E_FLAG', '--ca-dir without an API server needs --jwt-jwks FILE, or nobody could prove an identity');
    const nothing = { update: () => undefined, close: async () => undefined };
    const external = await openExternalCa(undefined, trustDomain, process.env);
    return {
      ...(external === undefined ? {} : { external }),
      store: createDirectoryStore(directory),
      desk: createDirectoryDesk(directory),
      keep: (name) => keptInDirectory(directory, `${name}.json`),
      authenticators: oidc,
      distribute: () => nothing,
      close: nothing.close,
    };
  }
  if (!kubernetes)
    throw new XebecError('E_FLAG', 'no API server: give --kubeconfig FILE, or --ca-dir DIR with --jwt-jwks FILE to run without one');
  // Loaded only here: the client costs half a second, which the standalone CA need not spend.
  const { createSecretStore, loadKubeConfig } = await import('./kubernetes.ts');
  const { distributeTrust } = await import('./distribution/config-maps.ts');
  const { followPresence } = await import('./rotation/presence.ts');
  const { createConfigMapDesk } = await import('./control/config-map-desk.ts');
  const { createTokenReviewAuthenticator } = await import('./authenticators/token-review.ts');
  const { keptInSecret } = await import('./jwt-svid/kept-in-secret.ts');
  const { meshConfigMap } = await import('./federation/mesh-config-map.ts');
  const { watchPods } = await import('./authenticators/pod-directory.ts');
  const config = loadKubeConfig(kubeconfig, process.env);
  const external = await openExternalCa(config, trustDomain, process.env);
  const ownSecret = process.env['USE_CACERTS_FOR_SELF_SIGNED_CA'] === 'true' ? 'cacerts' : undefined;
  const trustedAccounts = parseTrustedAccounts(process.env['CA_TRUSTED_NODE_ACCOUNTS'] ?? '');
  const pods = trustedAccounts.length === 0 ? undefined : watchPods({ config, clock: systemClock, random: systemRandom, logger });
  return {
    store: directory === undefined ? createSecretStore(config, namespace, ownSecret) : createDirectoryStore(directory),
    authenticators: [...oidc, createTokenReviewAuthenticator({ config, audience, trustDomain })],
    ...(pods === undefined ? {} : { impersonate: createImpersonation({ trustedAccounts, pods, trustDomain }) }),
    desk: createConfigMapDesk(config, namespace),
    ...(external === undefined ? {} : { external }),
    followPresence: (keeper) => followPresence({ config, keeper, clock: systemClock, logger }),
    keep: (name) => (directory === undefined ? keptInSecret(config, namespace, name) : keptInDirectory(directory, `${name}.json`)),
    meshConfigMap: meshConfigMap(config, namespace),
    distribute: (first, ownLogger) => distributeTrust({ config, clock: systemClock, random: systemRandom, logger: ownLogger }, first),
    close: async () => pods?.close(),
  };
}

/** Retries until the store answers; says so once when it stops answering and once when it does again. Undefined when stopped before. */
async function openWithRetry(
  keeper: RootKeeper,
  store: AuthorityStore,
  logger: Logger,
  signal: AbortSignal,
): Promise<KeeperView | undefined> {
  const backoff = new Backoff({ baseMs: 200, maxMs: 2000 }, systemRandom);
  let away: string | undefined;
  while (!signal.aborted) {
    try {
      const view = await keeper.open();
      if (away !== undefined) logger.info({ store: store.description }, 'the store of the CA key answers again');
      return view;
    } catch (error) {
      // A stored CA that is no CA does not heal by waiting.
      if (error instanceof XebecError && error.code !== 'E_KEY_STORE') throw error;
      // client-node's messages quote headers after status and body.
      const text = errorText(error).slice(0, 200);
      if (away === undefined) logger.warn({ code: 'E_CA_STORE' }, `${store.description} cannot be read, trying on: ${text}`);
      away = text;
      await new Promise<void>((resolve) => void setTimeout(resolve, backoff.nextMs()));
    }
  }
  return undefined;
}

function showExpiry(metrics: CitadelMetrics, { authority, bundle }: KeeperView): void {
  metrics.rootExpirySeconds.set(Math.min(...bundle.roots.map(({ notAfter }) => notAfter)) / 1000);
  metrics.chainExpirySeconds.set(authority.certificate.notAfter / 1000);
}

function secondsOption(options: Readonly<Record<string, string>>, name: string): number {
  const text = options[name] ?? '';
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new XebecError('E_FLAG', `${flag} wants a whole number above 0, but got "${text}"`);
  }
  return value * 1000;
}

function keyTypeOption(text: string): KeyType {
  const found = KEY_TYPES.find((type) => type === text);
  if (found === undefined) throw new XebecError('E_FLAG', `--root-key-type wants one of ${KEY_TYPES.join(', ')}, but got "${text}"`);
  return found;
}
