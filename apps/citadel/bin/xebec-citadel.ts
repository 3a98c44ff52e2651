#!/usr/bin/env node
import { runDaemon } from '@xebec/daemon';
import { citadel } from '../src/citadel.ts';

await runDaemon(citadel);
