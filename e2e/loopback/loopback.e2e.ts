import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startUp, type UpProcess } from '../src/up-process.ts';
import { type ConsoleStep, isChange, outputMatches, parseConsolePage } from '../walkthrough/console-page.ts';
import { Shell } from '../walkthrough/shell.ts';

const root = resolve(import.meta.dirname, '../..');
const page = parseConsolePage(readFileSync(join(root, 'docs/walkthrough.md'), 'utf8'));

const EVENTUALLY_MS = 15_000;
const COMMAND_MS = 70_000;

/** What the walkthrough shows, word for word in this mode; the rest of the page is the netns suite's. */
const SECTIONS = ['start', 'All traffic to version 1', 'Jason sees version 2', 'An abort'];
const LATER_SECTIONS = ['Mutual TLS', 'Metrics'];

let folder: string;
let up: UpProcess;
let shell: Shell;
let outside: Server;

/** Runs a command until it prints what is expected; commands that change something run once. */
async function expectOutput(step: ConsoleStep): Promise<void> {
  const deadline = performance.now() + (isChange(step.command) ? 0 : EVENTUALLY_MS);
  for (;;) {
    const output = await shell.run(step.command, COMMAND_MS);
    if (outputMatches(step.expected, output)) return;
    if (performance.now() > deadline) {
      expect(output.trim(), `line ${step.line}: $ ${step.command}`).toBe(step.expected.join('\n'));
      throw new Error('unreachable: the texts differ');
    }
  }
}

function prints(command: string, ...expected: string[]): Promise<void> {
  return expectOutput({ line: 0, command, expected });
}

function walkthrough(titles: readonly string[]): void {
  const sections = page.filter((section) => titles.includes(section.title));
  describe.each(sections.map((section) => [section.title, section.steps] as const))('walkthrough: %s', (_title, steps) => {
    for (const step of steps) it(`line ${step.line}: ${step.command.split('\n')[0]}`, () => expectOutput(step), COMMAND_MS + EVENTUALLY_MS);
  });
}

/** Processes whose working directory or command line lies in the folder. */
function processesOf(directory: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        return command.includes(directory) || environment.includes(`XEBEC_ROOT=${directory}`) ? [`${pid} ${command}`] : [];
      } catch {
        return []; // It ended, or belongs to somebody else.
      }
    });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xl-'));
  symlinkSync(join(root, 'samples'), join(folder, 'samples'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  outside = createServer((_request, response) => response.end('hello from outside\n'));
  await new Promise<void>((done) => outside.listen(0, '127.0.0.1', done));
  up = await startUp(folder, ['--demo', '--capture', 'loopback']);
  shell = new Shell(folder, {
    ...process.env,
    PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`,
    npm_config_loglevel: 'error',
    EXTERNAL_PORT: String((outside.address() as AddressInfo).port),
  });
}, 150_000);

afterAll(async () => {
  shell?.close();
  await up?.stop();
  outside?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

it('says which capture mode it took', () => expect(up.output()).toMatch(/capture mode loopback/));

walkthrough(SECTIONS);

describe('half of the traffic', () => {
  it('is shared by two versions', async () => {
    await prints(
      'kubectl apply -f samples/bookinfo/networking/virtual-service-all-v1.yaml -f samples/bookinfo/networking/virtual-service-reviews-50-v3.yaml | tail -n 1',
      'virtualservice.networking.istio.io/reviews configured',
    );
    await prints(
      `for i in $(seq 60); do curl -s http://127.0.0.1:8080/api/v1/products/0/reviews | grep -o 'reviews-v[0-9]'; done | sort | uniq -c | awk '{print $2, ($1 > 15 && $1 < 45) ? "about half" : $1}'`,
      'reviews-v1 about half',
      'reviews-v3 about half',
    );
  });
});

describe('pods with a sidecar', () => {
  it('start', async () => {
    await prints(
      'kubectl apply -f samples/httpbin/httpbin.yaml -f samples/curl/curl.yaml -f samples/tcp-echo/tcp-echo-services.yaml | grep -c created',
      '9',
    );
    await prints(
      'kubectl wait --for=condition=Available deployment/httpbin deployment/curl deployment/tcp-echo-v1 deployment/tcp-echo-v2 --timeout=60s | wc -l',
      '4',
    );
  }, 90_000);

  it.each(['httpbin', 'httpbin.default', 'httpbin.default.svc.cluster.local'])('reach http://%s:8000 with mutual TLS', (host) =>
    prints(
      `kubectl exec deploy/curl -c curl -- curl -s http://${host}:8000/headers | grep -o 'URI=spiffe://cluster.local/ns/default/sa/curl'`,
      'URI=spiffe://cluster.local/ns/default/sa/curl',
    ),
  );

  it('reach a TCP service at the address of its variables, by the rules of the mesh', async () => {
    await prints(
      'kubectl apply -f samples/tcp-echo/tcp-echo-all-v1.yaml | tail -n 1',
      'virtualservice.networking.istio.io/tcp-echo created',
    );
    await prints(
      "for i in $(seq 5); do exec 3<>/dev/tcp/127.0.0.1/31400; echo hi >&3; head -n 1 <&3; exec 3>&-; done | sort | uniq -c | awk '{print $1, $2, $3}'",
      '5 one hi',
    );
    await prints(
      `kubectl exec deploy/curl -c curl -- bash -c 'exec 3<>/dev/tcp/$TCP_ECHO_SERVICE_HOST/$TCP_ECHO_SERVICE_PORT; echo hi >&3; head -n 1 <&3' | grep -oE '(one|two) hi' | sed 's/one\\|two/some/'`,
      'some hi',
    );
    await prints(
      "kubectl exec deploy/curl -c istio-proxy -- curl -s http://localhost:15000/clusters | grep -F 'outbound|9000||tcp-echo.default.svc.cluster.local' | grep '::cx_total::' | awk -F:: '{sum += $NF} END {print (sum > 0) ? \"through the sidecar\" : \"past it\"}'",
      'through the sidecar',
    );
  });

  it('reach what is outside the mesh by its address and port, unless the mesh is closed', async () => {
    const ask = 'kubectl exec deploy/curl -c curl -- curl -s';
    await prints(`${ask} http://127.0.0.1:$EXTERNAL_PORT/`, 'hello from outside');
    await prints(`${ask} http://localhost:$EXTERNAL_PORT/`, 'hello from outside');
    await prints(
      "kubectl get configmap istio -n istio-system -o yaml | sed 's/mode: ALLOW_ANY/mode: REGISTRY_ONLY/' | kubectl replace -f -",
      'configmap/istio replaced',
    );
    await prints(`${ask} -o /dev/null -w '%{http_code}' http://127.0.0.1:$EXTERNAL_PORT/`, '502');
    await prints(
      "kubectl get configmap istio -n istio-system -o yaml | sed 's/mode: REGISTRY_ONLY/mode: ALLOW_ANY/' | kubectl replace -f -",
      'configmap/istio replaced',
    );
  });

  it('do not loop where the proxy is asked for itself', () =>
    prints(`kubectl exec deploy/curl -c curl -- sh -c 'curl -s -o /dev/null -w "%{http_code}" $http_proxy'`, '503'));
});

walkthrough(LATER_SECTIONS);

it('Ctrl-C ends every process', async () => {
  expect(processesOf(folder).length).toBeGreaterThan(10);
  expect(await up.stop()).toBe(0);
  expect(up.output()).toMatch(/nothing is left running/);
  expect(processesOf(folder)).toEqual([]);
  expect(spawnSync('curl', ['-s', '-o', '/dev/null', 'http://127.0.0.1:8080/productpage']).status).toBe(7);
}, 60_000);
