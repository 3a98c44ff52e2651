#!/usr/bin/env node
import { createService, runService } from '@xebec/microservice';
import { routes } from '../src/details.ts';

runService('bookinfo-details', createService(routes), Number(process.argv[2] ?? '9080'));
