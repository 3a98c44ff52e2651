export { runProxy } from './run-proxy.ts';
export { runWithAgent } from './run-with-agent.ts';
