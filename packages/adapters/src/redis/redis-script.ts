import { createHash } from 'node:crypto';
import { errorText, type Logger } from '@xebec/core';
import { Redis } from 'ioredis';
import type { RedisAddress } from './redis-address.ts';

/** Requests that wait for Redis at once; more are refused, because they could not be answered in time anyway. */
const MAX_PENDING = 10_000;
const MAX_RECONNECT_MS = 1_000;

export interface RedisScriptOptions {
  readonly address: RedisAddress;
  /** PEM certificates that Redis' own is checked against; those of the system otherwise. */
  readonly caCertificates?: string;
  readonly connections: number;
  /** Within this a request is answered or rejected. */
  readonly timeLimitMs: number;
  readonly script: string;
  /** The script's count of keys. */
  readonly keys: number;
  readonly logger: Logger;
}

/**
 * Runs one script on a Redis server, by its hash. Connects at once and again after each loss, with growing waits; while there is no
 * connection requests reject at once, and one that is not answered in time counts as a loss of its connection.
 */
export class RedisScript {
  readonly #clients: readonly Redis[];
  readonly #options: RedisScriptOptions;
  readonly #sha: string;
  readonly #name: string;
  /** Connections that are being given up. */
  readonly #leaving = new Set<Redis>();
  #next = 0;
  #pending = 0;
  #away = false;
  #closed = false;

  constructor(options: RedisScriptOptions) {
    const { address, connections, script } = options;
    this.#options = options;
    this.#sha = createHash('sha1').update(script).digest('hex');
    this.#name = `${address.host}:${address.port}`;
    this.#clients = Array.from({ length: connections }, () => this.#connect());
  }

  /** Rejects with an error that names the server. */
  async run(keysAndArguments: readonly (string | number)[]): Promise<unknown> {
    const client = this.#clients[this.#next++ % this.#clients.length];
    if (client === undefined || this.#closed) throw new Error('the handler is closed');
    if (this.#pending >= MAX_PENDING) throw new Error(`Redis at ${this.#name}: ${MAX_PENDING} requests wait already`);
    this.#pending++;
    try {
      await this.#ready(client);
      return await this.#evaluate(client, keysAndArguments);
    } catch (cause) {
      if (errorText(cause).includes('timed out')) this.#giveUp(client);
      throw new Error(`Redis at ${this.#name}: ${errorText(cause)}`, { cause });
    } finally {
      this.#pending--;
    }
  }
  close(): void {
    this.#closed = true;
    for (const client of this.#clients) client.disconnect();
  }

  async #evaluate(client: Redis, keysAndArguments: readonly (string | number)[]): Promise<unknown> {
    try {
      return await client.evalsha(this.#sha, this.#options.keys, ...keysAndArguments);
    } catch (error) {
      // A server that was restarted, or whose scripts were flushed, learns it again.
      if (!errorText(error).startsWith('NOSCRIPT')) throw error;
      return await client.eval(this.#options.script, this.#options.keys, ...keysAndArguments);
    }
  }
  /** The first requests after the start may wait for the connection; after a loss nobody does. */
  async #ready(client: Redis): Promise<void> {
    if (client.status === 'ready' || this.#away) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (finish: () => void) => () => {
        clearTimeout(timer);
        client.off('ready', onReady);
        client.off('error', onError);
        finish();
      };
      const onReady = settle(resolve);
      const onError = settle(() => reject(new Error('there is no connection')));
      const timer = setTimeout(onError, this.#options.timeLimitMs);
      client.once('ready', onReady);
      client.once('error', onError);
    });
  }
  #connect(): Redis {
    const { address, caCertificates, timeLimitMs } = this.#options;
    const { host, port, username, password, database, tls } = address;
    const client = new Redis({
      host,
      port,
      db: database,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(tls ? { tls: { servername: host, ...(caCertificates === undefined ? {} : { ca: caCertificates }) } } : {}),
      connectTimeout: 5_000,
      commandTimeout: timeLimitMs,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (attempt) => (this.#closed ? null : Math.min(25 * 2 ** Math.min(attempt, 10), MAX_RECONNECT_MS)),
      disableClientInfo: true,
      connectionName: 'xebec-mixer',
    });
    // A TLS handshake that is broken off may fail twice, and ioredis listens to each stream's first error alone: without a listener the
    // second would end the process. The stream is there when what 'connecting' has started is through.
    client.on('connecting', () => setImmediate(() => client.stream?.on('error', () => undefined)));
    client.on('error', (error: unknown) => this.#lost(errorText(error)));
    client.on('close', () => {
      this.#leaving.delete(client);
      this.#lost('the connection was closed');
    });
    client.on('ready', () => {
      if (this.#away) this.#options.logger.info({ redis: this.#name }, `Redis at ${this.#name} is back`);
      this.#away = false;
    });
    return client;
  }
  /** Closes the connection, which then makes itself anew; what waits on it is rejected. */
  #giveUp(client: Redis): void {
    if (this.#leaving.has(client)) return;
    this.#leaving.add(client);
    client.disconnect(true);
  }
  #lost(reason: string): void {
    if (this.#away || this.#closed) return;
    this.#away = true;
    this.#options.logger.warn({ redis: this.#name }, `Redis at ${this.#name} is away: ${reason}; what asks it is refused until it is back`);
  }
}
