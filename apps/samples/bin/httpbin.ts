#!/usr/bin/env node
import { createService, runService } from '@xebec/microservice';
import { routes } from '../src/httpbin.ts';

runService('httpbin', createService(routes), Number(process.env['PORT'] ?? '8080'));
