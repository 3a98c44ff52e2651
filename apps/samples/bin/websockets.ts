#!/usr/bin/env node
import { runService } from '@xebec/microservice';
import { createWebsocketService } from '../src/websockets.ts';

runService('websockets', createWebsocketService(), Number(process.env['PORT'] ?? '8888'));
