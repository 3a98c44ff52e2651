#!/usr/bin/env node
import { createService, runService } from '@xebec/microservice';
import { createRoutes } from '../src/ratings.ts';

runService('bookinfo-ratings', createService(createRoutes()), Number(process.argv[2] ?? '9080'));
