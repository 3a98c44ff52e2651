import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js';
import { certificateClient } from '@xebec/agent';
import { createCsr, generateKeys } from '@xebec/identity';
import { type TrustInstruction, type TrustReport, TrustReportSchema, TrustService } from '@xebec/protos/xebec/identity/v1/trust';
import { methodDefinition } from '@xebec/rpc';
import { eventually } from '../src/daemon-process.ts';
import type { Mesh } from './mesh.ts';

/** A workload whose reports the suite writes itself, so that a phase lasts as long as it should. */
export class Puppet {
  readonly #mesh: Mesh;
  readonly #name: string;
  #client: Client | undefined;
  #stream: ClientDuplexStream<TrustReport, TrustInstruction> | undefined;
  #instruction: TrustInstruction | undefined;
  #leaf: { serial: string; notAfter: number; root: Buffer } | undefined;

  constructor(mesh: Mesh, name: string) {
    this.#mesh = mesh;
    this.#name = name;
  }
  async fetchLeaf(ttlSeconds = 600): Promise<void> {
    const tokenFile = join(this.#mesh.directory, `${this.#name}.token`);
    writeFileSync(tokenFile, await this.#mesh.token(this.#name));
    const sign = certificateClient({
      caAddress: `127.0.0.1:${this.#mesh.port}`,
      tokenFile,
      rootFile: this.#mesh.rootFile(),
      serverName: 'istio-citadel.istio-system.svc',
    });
    const chain = await sign(createCsr(await generateKeys('ecdsa-p256')), ttlSeconds);
    const [leaf, ...between] = chain.slice(0, -1).map((pem) => new X509Certificate(pem));
    const rootsPem = chain.at(-1) ?? '';
    const roots = (rootsPem.match(/-----BEGIN[\s\S]*?END CERTIFICATE-----/g) ?? []).map((pem) => new X509Certificate(pem));
    const top = between.at(-1) ?? leaf;
    const root = roots.find((candidate) => top?.verify(candidate.publicKey));
    if (root === undefined || leaf === undefined) throw new Error('the leaf leads to no root of its answer');
    this.#leaf = {
      serial: leaf.serialNumber.toLowerCase().replace(/^0+/, ''),
      notAfter: leaf.validToDate.getTime() / 1000,
      root: fingerprintOf(root.raw),
    };
  }
  async connect(): Promise<void> {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${await this.#mesh.token(this.#name)}`);
    const channel = credentials.createSsl(readFileSync(this.#mesh.rootFile()));
    this.#client = new Client(`127.0.0.1:${this.#mesh.port}`, channel, {
      'grpc.ssl_target_name_override': 'istio-citadel.istio-system.svc',
      'grpc.use_local_subchannel_pool': 1,
    });
    const { path, requestSerialize, responseDeserialize } = methodDefinition(TrustService.method.followTrust);
    // methodDefinition decodes every message; bytes are what servers may send.
    const stream = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata) as ClientDuplexStream<
      TrustReport,
      TrustInstruction
    >;
    this.#stream = stream;
    this.#instruction = undefined;
    stream.on('data', (instruction: TrustInstruction) => {
      this.#instruction = instruction;
    });
    stream.on('error', () => undefined);
    await eventually('the first instruction', () => this.#instruction);
  }
  /** Waits for that bundle and says that it is accepted, with the certificate in hand. */
  async accept(version: number): Promise<void> {
    const instruction = await eventually(`bundle ${version}`, () =>
      this.#instruction !== undefined && Number(this.#instruction.bundleVersion) >= version ? this.#instruction : undefined,
    );
    this.#stream?.write(
      create(TrustReportSchema, {
        instance: this.#name,
        bundleVersion: instruction.bundleVersion,
        rootFingerprints: (instruction.bundles[0]?.roots ?? []).map(fingerprintOf),
        ...(this.#leaf === undefined
          ? {}
          : { leafRootFingerprint: this.#leaf.root, leafSerialNumber: this.#leaf.serial, leafNotAfter: BigInt(this.#leaf.notAfter) }),
        clockMs: BigInt(Date.now()),
      }),
    );
  }
  /** The order to renew that was sent last. */
  async ordered(): Promise<Buffer> {
    const order = await eventually('an order to renew', () => this.#instruction?.renew);
    return Buffer.from(order.wantedRootFingerprint);
  }
  disconnect(): void {
    this.#stream?.cancel();
    this.#client?.close();
  }
}

function fingerprintOf(der: Uint8Array): Buffer {
  return createHash('sha256').update(der).digest();
}
