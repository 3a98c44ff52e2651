import type { Server } from 'node:http';
import { createService } from '@xebec/microservice';
import { WebSocketServer } from 'ws';

const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>WebSocket test</title>
<body><h1>WebSocket test</h1><p id="state">connecting</p><ul id="log"></ul>
<script>
const socket = new WebSocket(location.href.replace(/^http/, 'ws').replace(/\\/?$/, '/ws'));
const say = (text) => { const item = document.createElement('li'); item.textContent = text; document.getElementById('log').append(item); };
socket.onopen = () => { document.getElementById('state').textContent = 'open'; socket.send('hello'); };
socket.onmessage = (event) => say(event.data);
socket.onclose = () => { document.getElementById('state').textContent = 'closed'; };
</script></body></html>
`;

/** A page and an echo: `/ws` answers each text message with itself. */
export function createWebsocketService(): Server {
  const server = createService([
    { method: 'GET', path: '/', handle: () => ({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: PAGE }) },
  ]);
  const sockets = new WebSocketServer({ server, path: '/ws', maxPayload: 1 << 20 });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', () => socket.terminate());
  });
  return server;
}
