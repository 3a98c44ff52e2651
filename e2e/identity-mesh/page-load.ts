import { Agent, get } from 'node:http';

export interface PageLoad {
  requests(): number;
  /** What went otherwise than 200, with its time. */
  failures(): readonly string[];
  stop(): void;
}

const TIMEOUT_MS = 20_000;

/** Reads a page so many times a second, every third over a connection of its own. */
export function startPageLoad(url: string, perSecond: number): PageLoad {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const failures: string[] = [];
  let requests = 0;
  const failed = (why: string) => failures.push(`${new Date().toISOString()} ${why}`);
  const timer = setInterval(() => {
    requests++;
    const request = get(url, { timeout: TIMEOUT_MS, ...(requests % 3 === 0 ? { agent: false } : { agent }) }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
      response.on('end', () => {
        if (response.statusCode !== 200) failed(`${response.statusCode} ${body.slice(0, 200)}`);
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
    request.on('error', (error) => failed(error.message));
  }, 1000 / perSecond);
  return {
    requests: () => requests,
    failures: () => failures,
    stop() {
      clearInterval(timer);
      agent.destroy();
    },
  };
}
