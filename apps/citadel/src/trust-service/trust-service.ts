import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type ServerDuplexStream, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { type Clock, errorText, type Logger } from '@xebec/core';
import { decodePem, type SpiffeId } from '@xebec/identity';
import {
  type TrustBundleSchema,
  type TrustInstruction,
  TrustInstructionSchema,
  type TrustReport,
} from '@xebec/protos/xebec/identity/v1/trust';
import type { IncomingCall } from '../authenticators/authenticate.ts';
import { CallRefused } from '../authenticators/call-refused.ts';
import { createRateLimit } from '../rate-limit.ts';
import type { KeeperView } from '../roots/keeper-view.ts';
import type { RootKeeper } from '../roots/root-keeper.ts';
import { type Instance, instanceKey } from '../rotation/ledger.ts';

export interface TrustServiceOptions {
  readonly keeper: RootKeeper;
  readonly trustDomain: string;
  /** Rejects with a CallRefused. */
  authenticate(call: IncomingCall): Promise<{ readonly id: SpiffeId; readonly pod?: { readonly name: string } }>;
  /** Bundles of other trust domains, and keys for tokens of the own. */
  readonly others?: () => { readonly jwtKeys: string; readonly bundles: readonly MessageInitShape<typeof TrustBundleSchema>[] };
  /** Agents spread their renewals over this time; 0: by their number. */
  readonly renewWithinMs?: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Call = ServerDuplexStream<TrustReport, TrustInstruction>;

const MAX_STREAMS = 20_000;
const MAX_STREAMS_PER_IDENTITY = 2_000;
const MAX_ROOTS = 64;
const MAX_ERROR_LENGTH = 500;
/** Who proved an identity once has to prove it again after this time. */
const MAX_STREAM_AGE_MS = 3_600_000;
const FIRST_REPORT_MS = 30_000;
const ORDER_AGAIN_MS = 15_000;
/** A new certificate costs the CA about a millisecond, connection included; it has others to serve meanwhile. */
const RENEWAL_MS = 5;

/** One agent that follows; `key` once it has said which instance it serves. */
interface Follower {
  readonly identity: SpiffeId;
  readonly call: Call;
  key?: string;
  leafRoot: string;
  leafSerial: string;
  /** When it was told last to renew, and what for. */
  orderedAt: number;
  orderedTo: string;
}

export interface TrustService {
  readonly implementation: UntypedServiceImplementation;
  /** Sends the bundle to every agent again: something that goes with the roots changed. */
  publish(): void;
  close(): void;
}

/** `xebec.identity.v1.TrustService`: tells agents what to trust and when to renew, and writes down what they say they do. */
export function createTrustService(options: TrustServiceOptions): TrustService {
  const { keeper, clock, logger } = options;
  const followers = new Set<Follower>();
  const perIdentity = new Map<SpiffeId, number>();

  /** Whether it shows a certificate of a root that is no longer trusted, or will not be. */
  const goes = ({ leafRoot }: Follower): boolean => {
    const view = keeper.view();
    if (view === undefined || leafRoot === '' || keeper.anchorsOf(view.rotation.active).includes(leafRoot)) return false;
    const { other } = view.rotation;
    return (other !== undefined && keeper.anchorsOf(other).includes(leafRoot)) || !view.bundle.fingerprints.has(leafRoot);
  };
  const instruction = (view: KeeperView, follower: Follower | undefined): TrustInstruction => {
    const others = options.others?.() ?? { jwtKeys: '', bundles: [] };
    const own = { trustDomain: options.trustDomain, roots: view.bundle.roots.map(({ der }) => der), jwtKeys: others.jwtKeys };
    const order = follower === undefined ? undefined : renewalOf(follower, view);
    return create(TrustInstructionSchema, {
      bundleVersion: BigInt(view.bundle.version),
      bundles: [own, ...others.bundles],
      crls: crlsOf(view.bundle.crlPem),
      clockMs: BigInt(clock.now()),
      ...(order === undefined ? {} : { renew: order }),
    });
  };
  /** An order for who holds a certificate of another root than the one that signs, not too often. */
  const renewalOf = (follower: Follower, view: KeeperView) => {
    const anchors = keeper.anchorsOf(view.rotation.active);
    const [anchor] = anchors;
    const revoked = keeper.isRevoked(follower.leafSerial);
    if (anchor === undefined || follower.leafRoot === '' || (!goes(follower) && !revoked)) return undefined;
    const now = clock.monotonic();
    // A certificate that is revoked is another matter than one of the wrong root.
    const orderedTo = revoked ? `another than ${follower.leafSerial}` : anchor;
    if (follower.orderedTo === orderedTo && now - follower.orderedAt < ORDER_AGAIN_MS) return undefined;
    follower.orderedAt = now;
    follower.orderedTo = orderedTo;
    // An agent renews for a revoked certificate at once, whatever root it leads to.
    if (revoked) return { withinMs: 0, reason: 'the certificate is revoked', wantedRootFingerprint: new Uint8Array(0) };
    const spread = options.renewWithinMs ?? 0;
    const withinMs = spread > 0 ? spread : Math.min(300_000, followers.size * RENEWAL_MS);
    return { withinMs, reason: 'the mesh goes over to another root', wantedRootFingerprint: Buffer.from(anchor, 'hex') };
  };
  const send = (follower: Follower, view: KeeperView) => {
    // Whoever does not read gets no pile of instructions: the next report or connection brings the newest.
    if (follower.call.writableLength < 256 * 1024) follower.call.write(instruction(view, follower));
  };
  const publish = () => {
    const view = keeper.view();
    if (view !== undefined) for (const follower of followers) send(follower, view);
  };
  const unsubscribe = keeper.subscribe(publish);
  let cancelOrders: () => void = () => undefined;
  const orderAgain = () => {
    cancelOrders = clock.setTimeout(() => {
      const view = keeper.view();
      const due = view !== undefined && (view.rotation.phase !== 'steady' || view.revokedSerials.size > 0);
      if (due) for (const follower of followers) remind(follower, view);
      orderAgain();
    }, ORDER_AGAIN_MS);
  };
  const remind = (follower: Follower, view: KeeperView) => {
    if (goes(follower) || keeper.isRevoked(follower.leafSerial)) send(follower, view);
  };
  orderAgain();

  const follow = async (call: Call): Promise<void> => {
    // Reports wait in the stream until the caller is known.
    // Its token may say that it is a pod's.
    const { id, pod } = await options.authenticate(call);
    const view = keeper.view();
    if (view === undefined) throw new CallRefused(status.UNAVAILABLE, 'the roots are not loaded yet, try again');
    const count = perIdentity.get(id) ?? 0;
    if (followers.size >= MAX_STREAMS || count >= MAX_STREAMS_PER_IDENTITY) {
      throw new CallRefused(status.RESOURCE_EXHAUSTED, `too many agents follow the trust of ${id}`);
    }
    if (call.cancelled || call.destroyed) return;
    const follower: Follower = { identity: id, call, leafRoot: '', leafSerial: '', orderedAt: -Infinity, orderedTo: '' };
    followers.add(follower);
    perIdentity.set(id, count + 1);
    const limit = createRateLimit(20, 100);
    const cancelFirst = clock.setTimeout(() => {
      if (follower.key === undefined) end(new CallRefused(status.INVALID_ARGUMENT, 'no report came within 30 s'));
    }, FIRST_REPORT_MS);
    const cancelAge = clock.setTimeout(() => end(new CallRefused(status.UNAVAILABLE, 'prove your identity again')), MAX_STREAM_AGE_MS);
    let ended = false;
    const end = (refused?: CallRefused) => {
      if (ended) return;
      ended = true;
      cancelFirst();
      cancelAge();
      followers.delete(follower);
      const left = (perIdentity.get(id) ?? 1) - 1;
      if (left > 0) perIdentity.set(id, left);
      else perIdentity.delete(id);
      if (follower.key !== undefined) keeper.ledger.closed(follower.key);
      keeper.check();
      if (refused !== undefined)
        call.emit('error', Object.assign(new Error(refused.message), { code: refused.status, details: refused.message }));
    };
    call.on('data', (report: TrustReport) => {
      if (ended) return;
      try {
        if (limit.take(clock.monotonic()) > 0) throw new CallRefused(status.RESOURCE_EXHAUSTED, 'too many reports');
        const instance = { ...readReport(report, id, clock.now()), ...(pod === undefined ? {} : { pod: true, podName: pod.name }) };
        const key = instanceKey(id, instance.instance);
        if (follower.key === undefined) keeper.ledger.opened(key);
        else if (follower.key !== key) throw new CallRefused(status.INVALID_ARGUMENT, 'one stream is for one instance');
        follower.key = key;
        follower.leafRoot = instance.leafRoot;
        follower.leafSerial = instance.leafSerial;
        if (!keeper.reported(instance)) throw new CallRefused(status.RESOURCE_EXHAUSTED, 'too many instances are known');
        const now = keeper.view();
        if (now !== undefined) remind(follower, now);
      } catch (error) {
        end(error instanceof CallRefused ? error : new CallRefused(status.INTERNAL, 'internal error'));
        if (!(error instanceof CallRefused)) logger.error({ code: 'E_INTERNAL' }, errorText(error));
      }
    });
    call.on('end', () => {
      end();
      call.end();
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, () => end());
    send(follower, view);
  };

  return {
    implementation: {
      FollowTrust: (call: Call) => {
        call.on('error', () => undefined);
        follow(call).catch((error: unknown) => {
          const refused = error instanceof CallRefused ? error : new CallRefused(status.INTERNAL, 'internal error');
          if (!(error instanceof CallRefused)) logger.error({ code: 'E_INTERNAL' }, errorText(error));
          call.emit('error', Object.assign(new Error(refused.message), { code: refused.status, details: refused.message }));
        });
      },
    },
    publish,
    close() {
      unsubscribe();
      cancelOrders();
      for (const { call } of [...followers]) call.end();
    },
  };
}

/** Checks what an agent says by itself; whose instance it is comes from the caller's proof. */
function readReport(report: TrustReport, identity: SpiffeId, now: number): Instance {
  const { instance, rootFingerprints, leafRootFingerprint, leafSerialNumber } = report;
  const bad = (what: string) => new CallRefused(status.INVALID_ARGUMENT, `the report's ${what} is not as it should be`);
  if (!/^[A-Za-z0-9._~:/-]{1,253}$/.test(instance)) throw bad('instance');
  if (rootFingerprints.length > MAX_ROOTS || rootFingerprints.some(({ length }) => length !== 32)) throw bad('root_fingerprints');
  if (leafRootFingerprint.length !== 0 && leafRootFingerprint.length !== 32) throw bad('leaf_root_fingerprint');
  if (!/^[0-9a-f]{0,64}$/.test(leafSerialNumber)) throw bad('leaf_serial_number');
  const seconds = Number(report.leafNotAfter);
  if (seconds < 0 || seconds > 8.64e12) throw bad('leaf_not_after');
  if (report.bundleVersion > BigInt(Number.MAX_SAFE_INTEGER)) throw bad('bundle_version');
  return {
    identity,
    instance,
    bundleVersion: Number(report.bundleVersion),
    roots: rootFingerprints.map((bytes) => Buffer.from(bytes).toString('hex')),
    leafRoot: Buffer.from(leafRootFingerprint).toString('hex'),
    leafSerial: leafSerialNumber,
    leafNotAfter: seconds * 1000,
    reportedAt: now,
    clockOffsetMs: report.clockMs === 0n ? 0 : Number(report.clockMs) - now,
    error: report.error.slice(0, MAX_ERROR_LENGTH).replaceAll(/[^\x20-\x7e]/g, '?'),
  };
}

function crlsOf(pem: string): Uint8Array[] {
  if (pem === '') return [];
  const blocks = decodePem(pem, 'X509 CRL');
  return blocks.ok ? blocks.value : [];
}
