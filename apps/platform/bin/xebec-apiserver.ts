#!/usr/bin/env node
import { runDaemon } from '@xebec/daemon';
import { apiserverDaemon } from '../src/apiserver.ts';

await runDaemon(apiserverDaemon);
