import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What stands for an image: a command line, and the environment its layers would set. */
export interface ImageCommand {
  readonly entrypoint: readonly string[];
  /** Default arguments, replaced by the container's `args`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** First argument that the entrypoint takes for granted: `proxy` of `proxy sidecar`. */
  readonly impliedArgument?: string;
}

interface ImageRule {
  /** Matched against the repository path without registry and tag, from its end. */
  readonly repository: RegExp;
  readonly script: string;
  readonly args?: readonly string[];
  readonly env?: (match: RegExpExecArray) => Record<string, string>;
  readonly impliedArgument?: string;
}

const version = (match: RegExpExecArray): Record<string, string> => ({ SERVICE_VERSION: match[1] ?? 'v1' });

const RULES: readonly ImageRule[] = [
  { repository: /(?:^|\/)examples-bookinfo-productpage-(v\d+)$/, script: 'apps/bookinfo/productpage/bin/productpage.ts', env: version },
  { repository: /(?:^|\/)examples-bookinfo-details-(v\d+)$/, script: 'apps/bookinfo/details/bin/details.ts', env: version },
  { repository: /(?:^|\/)examples-bookinfo-reviews-(v\d+)$/, script: 'apps/bookinfo/reviews/bin/reviews.ts', env: version },
  { repository: /(?:^|\/)examples-bookinfo-ratings-(v\d+)$/, script: 'apps/bookinfo/ratings/bin/ratings.ts', env: version },
  { repository: /(?:^|\/)examples-helloworld-(v\d+)$/, script: 'apps/samples/bin/helloworld.ts', env: version },
  { repository: /(?:^|\/)go-httpbin$/, script: 'apps/samples/bin/httpbin.ts' },
  { repository: /(?:^|\/)httpbin$/, script: 'apps/samples/bin/httpbin.ts', env: () => ({ PORT: '80' }) },
  { repository: /(?:^|\/)(?:curl|sleep)$/, script: 'apps/samples/bin/curl.ts' },
  { repository: /(?:^|\/)tcp-echo-server$/, script: 'apps/samples/bin/tcp-echo.ts', args: ['9000', 'hello'] },
  { repository: /(?:^|\/)tornado-websocket-example$/, script: 'apps/samples/bin/websockets.ts' },
  { repository: /(?:^|\/)xebec\/pilot$/, script: 'apps/pilot/bin/xebec-pilot.ts' },
  { repository: /(?:^|\/)xebec\/citadel$/, script: 'apps/citadel/bin/xebec-citadel.ts' },
  { repository: /(?:^|\/)xebec\/galley$/, script: 'apps/galley/bin/xebec-galley.ts' },
  { repository: /(?:^|\/)xebec\/mixer$/, script: 'apps/mixer/bin/xebec-mixer.ts' },
  { repository: /(?:^|\/)(?:xebec\/proxy|proxyv2)$/, script: 'apps/proxy/bin/xebec-proxy.ts', impliedArgument: 'proxy' },
  { repository: /(?:^|\/)xebec\/gateway$/, script: 'apps/gateway/bin/xebec-gateway.ts' },
];

/** Finds what an image reference stands for on this machine. */
export interface ImageMap {
  /** Undefined for an image that is not in the map. */
  resolve(image: string): ImageCommand | undefined;
}

/** Repository path of a reference, without digest and tag: `docker.io/mccutchen/go-httpbin:v2` → `docker.io/mccutchen/go-httpbin`. */
export function repositoryOf(image: string): string {
  const undigested = image.split('@')[0] ?? image;
  const slash = undigested.lastIndexOf('/');
  const colon = undigested.indexOf(':', slash + 1);
  return colon < 0 ? undigested : undigested.slice(0, colon);
}

/** What to do about an image that the map lacks, as one line for status and events. */
export function unknownImageMessage(image: string): string {
  return `image "${image}" is not in the image map of this node; start the mesh with XEBEC_IMAGE='${repositoryOf(image)}=COMMAND ARG…', see docs/guides/troubleshooting.md`;
}

/** The built-in map: scripts of this checkout, run by the given Node binary. */
export function createImageMap(checkout: string, nodePath: string, extra: Readonly<Record<string, readonly string[]>> = {}): ImageMap {
  return {
    resolve(image) {
      const repository = repositoryOf(image);
      const command = extra[repository];
      if (command !== undefined) return { entrypoint: command, args: [], env: {} };
      for (const rule of RULES) {
        const match = rule.repository.exec(repository);
        const script = join(checkout, rule.script);
        if (match === null || !existsSync(script)) continue;
        return {
          entrypoint: [nodePath, script],
          args: rule.args ?? [],
          env: rule.env?.(match) ?? {},
          ...(rule.impliedArgument === undefined ? {} : { impliedArgument: rule.impliedArgument }),
        };
      }
      return undefined;
    },
  };
}
