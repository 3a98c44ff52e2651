#!/usr/bin/env node
import { runDaemon } from '@xebec/daemon';
import { nodeSpec } from '../src/node.ts';

await runDaemon(nodeSpec);
