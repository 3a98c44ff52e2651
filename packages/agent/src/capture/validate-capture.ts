import { connect, createServer } from 'node:net';
import { errorText } from '@xebec/core';
import type { IptablesOptions } from '@xebec/injection';

/** Of TEST-NET-1 (RFC 5737): nobody is there, so only a redirected connection can be answered. */
const probeAddress = '192.0.2.1';

/**
 * Whether a connection of this process is brought to the outbound port: undefined when it is, else what is wrong. Where the port is
 * taken the proxy runs already and nothing is tried.
 */
export async function validateCapture(options: IptablesOptions): Promise<string | undefined> {
  if (options.networkNamespace !== '') return '--run-validation works in its own network namespace only: leave out --network-namespace';
  if (!options.includeOutboundCidrs.includes('*')) return undefined;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end('captured');
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.outboundPort, '0.0.0.0', () => resolve());
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return undefined;
    return `cannot listen on port ${options.outboundPort}: ${errorText(error)}`;
  }
  try {
    return await probe(options);
  } finally {
    server.close();
  }
}

function probe({ probePort, probeTimeoutMs, outboundPort }: IptablesOptions): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: probeAddress, port: probePort });
    let answer = '';
    const finish = (problem: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(problem);
    };
    const failed = `a connection to ${probeAddress}:${probePort} does not arrive at port ${outboundPort}`;
    const timer = setTimeout(
      () => finish(`${failed} within ${probeTimeoutMs} ms; check that iptables has a nat table here`),
      probeTimeoutMs,
    );
    socket.on('data', (bytes: Buffer) => {
      answer += bytes.toString('latin1', 0, 100);
      if (answer.startsWith('captured')) finish(undefined);
    });
    socket.once('error', (error) => finish(`${failed}: ${error.message}`));
    socket.once('end', () => finish(`${failed}: something else answered`));
  });
}
