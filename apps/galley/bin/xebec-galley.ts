#!/usr/bin/env node
import { runDaemon } from '@xebec/daemon';
import { galley } from '../src/galley.ts';

await runDaemon(galley);
