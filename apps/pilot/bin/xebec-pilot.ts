#!/usr/bin/env node
import { runDaemon } from '@xebec/daemon';
import { pilot } from '../src/pilot.ts';

await runDaemon(pilot);
