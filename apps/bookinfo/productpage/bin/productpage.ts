#!/usr/bin/env node
import { randomBytes } from 'node:crypto';
import { createService, get, runService } from '@xebec/microservice';
import { createRoutes } from '../src/productpage.ts';
import { createSessions } from '../src/session.ts';

const { env } = process;
const domain = env['SERVICES_DOMAIN'] ? `.${env['SERVICES_DOMAIN']}` : '';
const backend = (name: string) =>
  `http://${env[`${name.toUpperCase()}_HOSTNAME`] ?? name}${domain}:${env[`${name.toUpperCase()}_SERVICE_PORT`] ?? '9080'}`;
const secret = env['SESSION_SECRET'] === undefined ? randomBytes(32) : Buffer.from(env['SESSION_SECRET']);

const routes = createRoutes(
  { detailsUrl: backend('details'), reviewsUrl: backend('reviews'), ratingsUrl: backend('ratings'), fetch: get },
  createSessions(secret),
);
runService('bookinfo-productpage', createService(routes), Number(process.argv[2] ?? '9080'));
