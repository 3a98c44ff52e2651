import { must, run, type User } from '../iptables/namespaces.ts';

const BRIDGE = 'xattack0';
const HOST = '10.98.0.1';

/** Pods as network namespaces on a bridge of this machine; the machine itself is a neighbour without a sidecar. */
export interface PodNetworks {
  /** The machine's address, where control plane and attackers are. */
  readonly host: string;
  /** Makes a namespace; its address is the next one. */
  add(name: string): Promise<{ readonly namespace: string; readonly address: string }>;
  remove(): Promise<void>;
}

export async function createPodNetworks(): Promise<PodNetworks> {
  if (process.getuid?.() !== 0) throw new Error('the attack suite makes network namespaces: run it as root');
  await run('ip', ['link', 'del', BRIDGE]);
  await must('ip', ['link', 'add', BRIDGE, 'type', 'bridge']);
  await must('ip', ['addr', 'add', `${HOST}/24`, 'dev', BRIDGE]);
  await must('ip', ['link', 'set', BRIDGE, 'up']);
  const namespaces: string[] = [];
  return {
    host: HOST,
    add: async (name) => {
      const namespace = `xattack-${name}`;
      const address = `10.98.0.${namespaces.length + 2}`;
      namespaces.push(namespace);
      const cable = `xattack${namespaces.length}`;
      await removeNamespace(namespace);
      await run('ip', ['link', 'del', cable]);
      await must('ip', ['netns', 'add', namespace]);
      await must('ip', ['link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
      await must('ip', ['link', 'set', cable, 'master', BRIDGE, 'up']);
      await must('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
      await must('ip', ['-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
      await must('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up']);
      await must('ip', ['-n', namespace, 'route', 'add', 'default', 'via', HOST]);
      return { namespace, address };
    },
    remove: async () => {
      for (const namespace of namespaces) await removeNamespace(namespace);
      await run('ip', ['link', 'del', BRIDGE]);
    },
  };
}

/** With all that still runs in it: an Envoy outlives an agent that is killed. */
async function removeNamespace(namespace: string): Promise<void> {
  const { stdout } = await run('ip', ['netns', 'pids', namespace]);
  for (const pid of stdout.split('\n').filter((line) => line !== '')) await run('kill', ['-9', pid]);
  await run('ip', ['netns', 'del', namespace]);
}

/** Who the proxy of a pod runs as; the capture rules let this user's connections pass. */
export const PROXY_USER: User = { uid: 1337, gid: 1337 };
