#!/usr/bin/env node
import { hostname } from 'node:os';
import { createService, get, runService } from '@xebec/microservice';
import { createRoutes, type ReviewsOptions } from '../src/reviews.ts';

const COLORS: Readonly<Record<string, ReviewsOptions['starColor']>> = { v1: 'none', v2: 'black', v3: 'red' };

const version = process.env['SERVICE_VERSION'] ?? 'v1';
const domain = process.env['SERVICES_DOMAIN'];
const ratingsHost = process.env['RATINGS_HOSTNAME'] ?? 'ratings';
const ratingsPort = process.env['RATINGS_SERVICE_PORT'] ?? '9080';
const routes = createRoutes({
  starColor: COLORS[version] ?? 'none',
  ratingsUrl: `http://${domain === undefined || domain === '' ? ratingsHost : `${ratingsHost}.${domain}`}:${ratingsPort}`,
  podName: process.env['HOSTNAME'] ?? hostname(),
  clusterName: process.env['CLUSTER_NAME'] ?? 'null',
  fetch: get,
});

runService('bookinfo-reviews', createService(routes), Number(process.argv[2] ?? '9080'));
