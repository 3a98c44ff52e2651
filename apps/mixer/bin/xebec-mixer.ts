#!/usr/bin/env node
import { runDaemon } from '@xebec/daemon';
import { mixer } from '../src/mixer.ts';

await runDaemon(mixer);
