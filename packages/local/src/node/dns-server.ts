import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Packet, type Question, RECURSION_AVAILABLE } from 'dns-packet';
import { type ServiceView, servicePorts } from './network.ts';

const DOMAIN = 'cluster.local';
const TTL_S = 5;
const MAX_UDP_BYTES = 1232;
const NXDOMAIN = 3;
const REFUSED = 5;
const SERVFAIL = 2;
const UPSTREAM_TIMEOUT_MS = 2000;

/** Names of one cluster. Rebuilt whole when services change. */
export class ClusterNames {
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #ports = new Map<string, { readonly target: string; readonly port: number }>();

  constructor(view: ServiceView) {
    const headless = new Map<string, Set<string>>();
    for (const service of view.services) {
      const host = `${service.metadata?.name}.${service.metadata?.namespace}.svc.${DOMAIN}`;
      const { clusterIP, type, externalName } = service.spec ?? {};
      if (type === 'ExternalName' || externalName !== undefined) continue;
      if (clusterIP !== undefined && clusterIP !== 'None' && clusterIP !== '') this.#addresses.set(host, [clusterIP]);
      else headless.set(host, new Set());
    }
    for (const slice of view.slices) {
      const host = `${slice.metadata?.labels?.['kubernetes.io/service-name']}.${slice.metadata?.namespace}.svc.${DOMAIN}`;
      const all = headless.get(host);
      if (all === undefined) continue;
      for (const endpoint of slice.endpoints ?? []) {
        if (endpoint.conditions?.ready === false) continue;
        for (const address of endpoint.addresses) {
          all.add(address);
          this.#addresses.set(`${endpoint.hostname ?? address.replaceAll('.', '-')}.${host}`, [address]);
        }
      }
    }
    for (const [host, all] of headless) this.#addresses.set(host, [...all]);
    for (const port of servicePorts(view)) {
      if (port.portName === '') continue;
      const target = `${port.name}.${port.namespace}.svc.${DOMAIN}`;
      this.#ports.set(`_${port.portName}._${port.protocol.toLowerCase()}.${target}`, { target, port: port.port });
    }
  }

  /** Answers for a name of the cluster: undefined means that the name does not exist, an empty list that it has no such record. */
  resolve(question: Question): Answer[] | undefined {
    const name = question.name.toLowerCase();
    const port = this.#ports.get(name);
    if (port !== undefined) {
      if (question.type !== 'SRV') return [];
      return [{ type: 'SRV', name: question.name, ttl: TTL_S, data: { priority: 0, weight: 100, port: port.port, target: port.target } }];
    }
    const addresses = this.#addresses.get(name);
    if (addresses === undefined) return undefined;
    if (question.type !== 'A') return [];
    return addresses.map((data) => ({ type: 'A', name: question.name, ttl: TTL_S, data }));
  }
}

/** Answers one query, or undefined when it must go upstream. */
export function answerQuery(names: ClusterNames, query: Packet): Packet | undefined {
  const question = query.questions?.[0];
  const head = { id: query.id ?? 0, type: 'response' as const, questions: query.questions ?? [] };
  if (question === undefined) return { ...head, flags: SERVFAIL };
  const name = question.name.toLowerCase();
  if (name !== DOMAIN && !name.endsWith(`.${DOMAIN}`)) return undefined;
  const answers = names.resolve(question);
  // The query's "recursion desired" bit comes back as it was.
  const flags = AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | ((query.flags ?? 0) & 0x0100);
  return answers === undefined ? { ...head, flags: flags | NXDOMAIN } : { ...head, flags, answers };
}

/** The cluster's name server on UDP and TCP. Other names go to `upstream`; without one they are refused at once. */
export class DnsServer {
  names = new ClusterNames({ services: [], slices: [] });
  readonly #upstream: string | undefined;
  #udp: Socket | undefined;
  #tcp: Server | undefined;

  constructor(upstream?: string) {
    this.#upstream = upstream;
  }

  async listen(address: string, port = 53): Promise<void> {
    const udp = createSocket('udp4');
    this.#udp = udp;
    udp.on('message', (message, from) => {
      void this.#respond(message).then((reply) => {
        if (reply !== undefined)
          udp.send(reply.length > MAX_UDP_BYTES ? truncated(reply) : reply, from.port, from.address, () => undefined);
      });
    });
    await new Promise<void>((resolve, reject) => {
      udp.once('error', reject);
      udp.bind(port, address, () => {
        udp.off('error', reject);
        udp.on('error', () => undefined);
        resolve();
      });
    });
    const tcp = createServer((socket) => this.#serveTcp(socket));
    this.#tcp = tcp;
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject);
      tcp.listen(udp.address().port, address, () => resolve());
    });
  }

  get port(): number {
    return this.#udp?.address().port ?? 0;
  }

  close(): void {
    this.#udp?.close();
    this.#tcp?.close();
  }

  #serveTcp(socket: TcpSocket): void {
    let buffer = Buffer.alloc(0);
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
        const end = 2 + buffer.readUInt16BE(0);
        const message = buffer.subarray(2, end);
        buffer = buffer.subarray(end);
        void this.#respond(message).then((reply) => {
          if (reply === undefined || socket.destroyed) return;
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        });
      }
    });
  }

  async #respond(message: Buffer): Promise<Buffer | undefined> {
    let query: Packet;
    try {
      query = decode(message);
    } catch {
      return undefined;
    }
    if (query.type !== 'query') return undefined;
    const reply = answerQuery(this.names, query);
    if (reply !== undefined) return encode(reply);
    const forwarded = this.#upstream === undefined ? undefined : await forward(message, this.#upstream);
    const code = this.#upstream === undefined ? REFUSED : SERVFAIL;
    return forwarded ?? encode({ id: query.id ?? 0, type: 'response', flags: code, questions: query.questions ?? [] });
  }
}

function truncated(reply: Buffer): Buffer {
  const packet = decode(reply);
  const out = encode({ id: packet.id ?? 0, type: 'response', flags: packet.flags ?? 0, questions: packet.questions ?? [] });
  out[2] = (out[2] ?? 0) | 0x02;
  return out;
}

function forward(message: Buffer, upstream: string): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const done = (reply?: Buffer) => {
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(done, UPSTREAM_TIMEOUT_MS);
    socket.once('error', () => done());
    socket.once('message', (reply) => done(reply));
    socket.send(message, 53, upstream);
  });
}
