import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { PeerCredentials } from './peer-credentials.ts';

/** Why a peer may not call; undefined when it may. */
export type PeerPolicy = (peer: PeerCredentials) => string | undefined;

/** What tells processes of one pod from those of others; undefined when it cannot be read. */
export type PodMark = (pid: number | 'self') => string | undefined;

export interface PeerPolicyOptions {
  /** Users that may call; undefined: the agent's own, and any user of a process that is proven to run in this pod. */
  readonly allowedUids?: ReadonlySet<number>;
  readonly ownUid: number;
  /** Each that can be read of both sides must agree. */
  readonly marks: readonly PodMark[];
}

/**
 * Whoever runs in the agent's own pod. A process that is visible and belongs to another pod is refused whatever its user. One of another
 * process namespace (number 0), as containers of a Kubernetes pod are to each other, has opened a socket in a volume of this pod: nobody
 * but the pod's containers has it mounted. A visible process of which nothing can be read has to be the agent's own user.
 */
export function podPeers({ allowedUids, ownUid, marks }: PeerPolicyOptions): PeerPolicy {
  return ({ pid, uid }) => {
    const pairs = pid === 0 ? [] : marks.map((mark) => [mark('self'), mark(pid)] as const);
    const readable = pairs.filter(([own, theirs]) => own !== undefined && theirs !== undefined);
    if (readable.some(([own, theirs]) => own !== theirs)) return `process ${pid} runs in another pod`;
    if (allowedUids !== undefined) return allowedUids.has(uid) ? undefined : `user ${uid} is not among XEBEC_WORKLOAD_API_UIDS`;
    if (uid === ownUid || pid === 0 || readable.length > 0) return undefined;
    return `user ${uid} is not the agent's and process ${pid} cannot be looked at; name the user in XEBEC_WORKLOAD_API_UIDS`;
  };
}

/**
 * The network namespace: one for each pod, in Kubernetes as in `xebec up`. Useless where pods share the host's. Told by the number of a
 * file that the kernel makes for each namespace, because the link `ns/net` of other users' processes cannot be read.
 */
export const networkMark: PodMark = (pid) => orUndefined(() => `${statSync(`/proc/${pid}/net/dev`).ino}`);

/** The pod's part of the control group; undefined on machines where processes of pods have none. */
export const cgroupMark: PodMark = (pid) => orUndefined(() => podOfCgroup(readFileSync(`/proc/${pid}/cgroup`, 'latin1')));

/** The directory of the pod's containers, which the node agent of `xebec up` tells each process it starts. */
export const directoryMark: PodMark = (pid) =>
  orUndefined(() => {
    const variables = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    const root = variables.find((variable) => variable.startsWith('XEBEC_ROOT='))?.slice('XEBEC_ROOT='.length);
    return root === undefined ? undefined : dirname(root);
  });

/** The pod's UID in a line of /proc/PID/cgroup: `…/kubepods-burstable-pod<uid>.slice/…` (systemd) or `…/pod<uid>/…` (cgroupfs). */
export function podOfCgroup(text: string): string | undefined {
  const found = /pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?(?:\/|$)/m.exec(text.slice(0, 64 * 1024))?.[1];
  return found?.replaceAll('_', '-');
}

function orUndefined(read: () => string | undefined): string | undefined {
  try {
    return read();
  } catch {
    // Gone by now, or somebody else's.
    return undefined;
  }
}
