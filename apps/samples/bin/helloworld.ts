#!/usr/bin/env node
import { hostname } from 'node:os';
import { createService, runService, text } from '@xebec/microservice';

const version = process.env['SERVICE_VERSION'] ?? 'v1';
const instance = process.env['HOSTNAME'] ?? hostname();
const routes = [
  { method: 'GET', path: '/hello', handle: () => text(`Hello version: ${version}, instance: ${instance}\n`) },
  { method: 'GET', path: '/health', handle: () => text('Helloworld is healthy') },
];

runService('helloworld', createService(routes), Number(process.env['PORT'] ?? '5000'));
