/** Requests of every shape, for fuzz targets to start from. */
export const requestSeeds: readonly Buffer[] = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET http://b.example:80/x?y=1 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nCookie: a=1; b=2\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5\r\nhello\r\nA;ext="1"\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n',
  'PUT /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok',
  'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\nraw bytes',
  'CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'));
