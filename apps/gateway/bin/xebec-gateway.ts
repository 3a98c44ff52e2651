#!/usr/bin/env node
import { prepareProcess } from '@xebec/app-proxy/prepare-process';

prepareProcess();
// The gateway is the proxy in the router's role; `proxy router` are the words a pod's arguments start with.
const { runWithAgent } = await import('@xebec/app-proxy');
const words = process.argv.slice(2);
process.title = 'xebec-gateway';
await runWithAgent(
  'xebec-gateway',
  'router',
  words.slice(words[0] === 'proxy' ? 1 : 0).filter((word, index) => index > 0 || word !== 'router'),
);
