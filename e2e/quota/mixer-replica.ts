import { create } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { type AttributeValue, encodeAttributes } from '@xebec/expressions';
import { CheckRequestSchema, type CheckResponse_QuotaResult, Mixer } from '@xebec/protos/istio/mixer/v1/mixer';
import { methodDefinition } from '@xebec/rpc';
import { eventually, freePort, type RunningProcess, startDaemon } from '../src/daemon-process.ts';

export interface MixerReplica {
  readonly process: RunningProcess;
  readonly port: number;
  /** What is granted of a quota, and why not. */
  take(quota: string, dimensions: Readonly<Record<string, string>>, amount?: number): Promise<CheckResponse_QuotaResult>;
  close(): Promise<unknown>;
}

/** A Mixer process that reads its configuration from a directory, and a gRPC client of its own. */
export async function startMixerReplica(configDirectory: string): Promise<MixerReplica> {
  const [port, httpPort, prometheusPort] = [await freePort(), await freePort(), await freePort()];
  const process = startDaemon('mixer', [
    ...['--config-dir', configDirectory, '--grpc-addr', `127.0.0.1:${port}`],
    ...['--http-addr', `127.0.0.1:${httpPort}`, '--prometheus-addr', `127.0.0.1:${prometheusPort}`],
  ]);
  await eventually('Mixer is ready', async () => ((await fetch(`http://127.0.0.1:${httpPort}/ready`)).ok ? true : undefined), 60_000);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const method = methodDefinition(Mixer.method.check);
  const take: MixerReplica['take'] = (name, dimensions, amount = 1) => {
    const labels: AttributeValue = { form: 'stringMap', value: new Map(Object.entries(dimensions)) };
    const request = create(CheckRequestSchema, {
      attributes: encodeAttributes(new Map([['source.labels', labels]])),
      quotas: { [name]: { amount: BigInt(amount), bestEffort: false } },
    });
    return new Promise((resolve, reject) =>
      client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, (error, response) => {
        const quota = response !== undefined && 'quotas' in response ? response.quotas[name] : undefined;
        if (error === null && quota !== undefined) resolve(quota);
        else reject(error ?? new Error('the answer has no quota'));
      }),
    );
  };
  return {
    process,
    port,
    take,
    close: async () => {
      client.close();
      return await process.stop();
    },
  };
}
