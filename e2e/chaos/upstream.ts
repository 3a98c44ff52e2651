import { createServer } from 'node:http';

/**
 * An upstream that can be told to misbehave. Arguments: port, name. `GET /control/MODE`: `well`, `reset` (answers with a reset),
 * `slow` (answers after 300 ms); `resets` only tells how many there were. Answers `GET /ID` with `NAME ID`, so that a mixed-up answer shows.
 */
const [port = '0', name = ''] = process.argv.slice(2);
let mode = 'well';
let resets = 0;

createServer((request, response) => {
  const path = request.url ?? '/';
  if (path.startsWith('/control/')) {
    const order = path.slice('/control/'.length);
    if (order !== 'resets') mode = order;
    response.end(String(resets));
    return;
  }
  if (mode === 'reset') {
    resets++;
    request.socket.resetAndDestroy();
    return;
  }
  const answer = (): void => {
    response.setHeader('x-upstream', name);
    response.end(`${name} ${request.headers['x-id'] ?? ''}`);
  };
  if (mode === 'slow') setTimeout(answer, 300);
  else answer();
}).listen(Number(port), '127.0.0.1', () => process.stdout.write('listening\n'));
