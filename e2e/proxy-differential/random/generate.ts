import { Draw } from './draw.ts';
import { ask } from './generate-asks.ts';
import { manager } from './generate-manager.ts';
import { routes } from './generate-routes.ts';
import type { Ask, Scene } from './scene.ts';

/** The scene of a seed: always the same one. */
export function generateScene(seed: number, asks = 12): Scene {
  const draw = new Draw(seed * 7919 + 17);
  const configuration = { manager: draw.chance(0.25) ? {} : manager(draw), routes: routes(draw) };
  // Where a header chooses the cluster, one without it chooses by chance.
  const numbered = JSON.stringify(configuration).includes('"header_name":"x-n"');
  // Copies of requests take answers too, in an order that is not fixed.
  const mirrored = JSON.stringify(configuration).includes('request_mirror_policies');
  const single = (one: Ask): Ask => (mirrored && one.replies !== undefined ? { ...one, replies: one.replies.slice(0, 1) } : one);
  return { ...configuration, asks: draw.many(asks, asks, () => single(ask(draw, numbered))) };
}
