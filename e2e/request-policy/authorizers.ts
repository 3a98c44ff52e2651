import { Authorization, type CheckResponseSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import { StatusCode } from '@xebec/protos/envoy/type/v3/http_status';
import { type GrpcAnswer, GrpcPeer } from '../proxy-differential/peers/grpc-peer.ts';
import { HttpPeer } from '../proxy-differential/peers/http-peer.ts';

/** What an authorizer does stands in the request's path: it denies `/asked/deny`, says nothing about `/asked/hang`, and allows all else. */
export const httpAuthorizer = new HttpPeer((request, response) => {
  const path = request.url ?? '';
  if (path.includes('hang')) return;
  response.setHeader('x-why', 'because');
  response.setHeader('x-user', 'jason');
  response.setHeader('x-hidden', 'secret');
  response.writeHead(path.includes('deny') ? 401 : 200);
  response.end(path.includes('deny') ? 'not you' : '');
});

export const grpcAuthorizer = new GrpcPeer(Authorization.method.check, ({ attributes }): GrpcAnswer<typeof CheckResponseSchema> => {
  const path = attributes?.request?.http?.path ?? '';
  if (path.includes('hang')) return 'hang';
  const headers = (names: Record<string, string>) => Object.entries(names).map(([key, value]) => ({ header: { key, value } }));
  if (path.includes('deny'))
    return {
      status: { code: 16 },
      httpResponse: {
        case: 'deniedResponse',
        value: { status: { code: StatusCode.Unauthorized }, headers: headers({ 'x-why': 'because' }), body: 'not you' },
      },
    };
  return { status: { code: 0 }, httpResponse: { case: 'okResponse', value: { headers: headers({ 'x-user': 'jason' }) } } };
});
