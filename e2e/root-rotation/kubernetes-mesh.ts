import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ApiServer, createApiServer } from '../kubernetes-platform/api-server.ts';
import { eventually, freePort } from '../src/daemon-process.ts';
import { Mesh, type Output, run, type Status } from './mesh.ts';

const CLI = join(import.meta.dirname, '../../apps/cli/bin/xebec.ts');

/** The same mesh with its roots in Secrets of an API server, and tokens that this one gives and judges. */
export class KubernetesMesh extends Mesh {
  readonly api: ApiServer = createApiServer();
  /** What is there before Citadel starts. */
  readonly objects: object[] = [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'istio-system' } }];
  readonly #accounts = new Set<string>();

  override async start(): Promise<void> {
    await this.api.start();
    for (const object of this.objects) await this.api.apply([object]);
    this.port = await freePort();
    await this.startCitadel();
    await eventually('the root in its ConfigMap', async () => {
      const text = await this.#configMap('default', 'istio-ca-root-cert', 'root-cert\\.pem');
      if (!text.includes('BEGIN CERTIFICATE')) return undefined;
      writeFileSync(this.rootFile(), text);
      return true;
    });
  }
  override rootFile(): string {
    return join(this.directory, 'root-cert.pem');
  }
  override async token(account: string): Promise<string> {
    if (!this.#accounts.has(account)) await this.api.kubectl('create', 'serviceaccount', account, '-n', 'default');
    this.#accounts.add(account);
    return (await this.api.kubectl('create', 'token', account, '-n', 'default', '--audience=istio-ca')).trim();
  }
  override ca(...args: readonly string[]): Promise<Output> {
    return run(process.execPath, [CLI, 'ca', ...args, '--kubeconfig', this.api.kubeconfig]);
  }
  override async close(): Promise<void> {
    await super.close();
    await this.api.close();
  }
  protected override flags(): readonly string[] {
    return ['--kubeconfig', this.api.kubeconfig];
  }
  protected override async newStatus(): Promise<Status> {
    const { code, text } = await this.ca('status', '-o', 'json');
    if (code !== 0) throw new Error(text);
    // What the command prints as JSON is its own interface; the suite reads a part of it.
    return JSON.parse(text) as Status;
  }
  async #configMap(namespace: string, name: string, key: string): Promise<string> {
    return await this.api.kubectl('get', 'configmap', name, '-n', namespace, '-o', `jsonpath={.data.${key}}`);
  }
}
