import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, manifest, TestCluster } from './cluster.ts';

const cluster = new TestCluster();
const kubectl = (...arguments_: string[]) => cluster.kubectl(...arguments_);
const apply = (text: string, ...more: string[]) => cluster.kubectlWith(text, 'apply', '-f', '-', ...more);

beforeAll(async () => {
  await cluster.start();
  await cluster.addNode();
});
afterAll(() => cluster.stop());

describe('objects', () => {
  it('applies, shows, and finds nothing to change the second time', async () => {
    expect((await apply(manifest('web.yaml'))).stdout).toBe('service/web created\ndeployment.apps/web created');
    expect((await apply(manifest('web.yaml'))).stdout).toBe('service/web unchanged\ndeployment.apps/web unchanged');
    expect((await kubectl('rollout', 'status', 'deploy/web', '--timeout=20s')).stdout).toContain(
      'deployment "web" successfully rolled out',
    );
    expect((await kubectl('get', 'deploy', 'web')).stdout).toMatch(
      /^NAME\s+READY\s+UP-TO-DATE\s+AVAILABLE\s+AGE\nweb\s+3\/3\s+3\s+3\s+\d+s$/,
    );
    expect((await kubectl('get', 'pods', '-l', 'app=web', '-o', 'wide')).stdout).toMatch(
      /1\/1\s+Running\s+0\s+\d+s\s+10\.244\.0\.\d+\s+paper/,
    );
    expect((await kubectl('get', 'svc', 'web', '-o', 'jsonpath={.spec.clusterIP} {.spec.ports[0].targetPort}')).stdout).toMatch(
      /^10\.96\.\d+\.\d+ http$/,
    );
    const slices = await kubectl(
      'get',
      'endpointslices',
      '-l',
      'kubernetes.io/service-name=web',
      '-o',
      'jsonpath={.items[0].ports[0].port} {.items[0].endpoints[*].conditions.ready}',
    );
    expect(slices.stdout).toBe('8080 true true true');
  });

  it('describes pods, services, deployments and nodes', async () => {
    const pod = (await kubectl('get', 'pods', '-l', 'app=web', '-o', 'name')).stdout.split('\n')[0] ?? '';
    expect((await kubectl('describe', pod)).stdout).toMatch(/Controlled By:\s+ReplicaSet\/web-/);
    expect((await kubectl('describe', 'svc', 'web')).stdout).toMatch(/Endpoints:\s+10\.244/);
    expect((await kubectl('describe', 'deploy', 'web')).stdout).toMatch(/Scaled up replica set web-\w+ from 0 to 3/);
    expect((await kubectl('describe', 'node', 'paper')).stdout).toMatch(/Name:\s+paper/);
  });

  it('patches in all three ways, labels, annotates and replaces', async () => {
    expect(
      (
        await kubectl(
          'patch',
          'deploy',
          'web',
          '-p',
          '{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"1"}]}]}}}}',
        )
      ).stdout,
    ).toContain('patched');
    expect((await kubectl('patch', 'deploy', 'web', '--type=merge', '-p', '{"metadata":{"labels":{"tier":"front"}}}')).stdout).toContain(
      'patched',
    );
    expect(
      (await kubectl('patch', 'deploy', 'web', '--type=json', '-p', '[{"op":"replace","path":"/spec/replicas","value":2}]')).stdout,
    ).toContain('patched');
    const shown = await kubectl(
      'get',
      'deploy',
      'web',
      '-o',
      'jsonpath={.spec.template.spec.containers[0].env[0].name} {.spec.template.spec.containers[0].image} {.metadata.labels.tier} {.spec.replicas}',
    );
    expect(shown.stdout).toBe('A example.com/web:1 front 2');
    expect((await kubectl('label', 'svc', 'web', 'team=x')).stdout).toContain('labeled');
    expect((await kubectl('annotate', 'svc', 'web', 'note=y')).stdout).toContain('annotated');
    const service = (await kubectl('get', 'svc', 'web', '-o', 'json')).stdout;
    expect((await cluster.kubectlWith(service.replace('"team": "x"', '"team": "z"'), 'replace', '-f', '-')).stdout).toContain(
      'service/web replaced',
    );
    const stale = await cluster.kubectlWith(service, 'replace', '-f', '-');
    expect(stale.stderr).toContain('the object has been modified; please apply your changes to the latest version and try again');
  });

  it('applies on the server and names the other owner of a field', async () => {
    const config = (value: string) => `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"k":"${value}"}}`;
    expect((await apply(config('1'), '--server-side', '--field-manager=a')).stdout).toContain('serverside-applied');
    expect((await apply(config('2'), '--server-side', '--field-manager=b')).stderr).toContain('conflict with "a": .data.k');
    expect((await apply(config('2'), '--server-side', '--field-manager=b', '--force-conflicts')).code).toBe(0);
    expect((await kubectl('get', 'cm', 'c', '-o', 'jsonpath={.data.k}')).stdout).toBe('2');
  });

  it('refuses what is wrong as users know it', async () => {
    const typo = await apply('{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x"},"spec":{"replica":1}}');
    expect([typo.code, typo.stderr]).toEqual([1, expect.stringContaining('strict decoding error: unknown field "spec.replica"')]);
    expect((await kubectl('get', 'pod', 'nope')).stderr).toBe('Error from server (NotFound): pods "nope" not found');
    expect((await kubectl('create', 'ns', 'default')).stderr).toBe(
      'Error from server (AlreadyExists): namespaces "default" already exists',
    );
    expect((await kubectl('get', 'nope')).stderr).toBe('error: the server doesn\'t have a resource type "nope"');
    const name = await apply('{"apiVersion":"v1","kind":"Service","metadata":{"name":"Bad"},"spec":{"ports":[{"port":1}]}}');
    expect(name.stderr).toContain('The Service "Bad" is invalid: metadata.name: Invalid value: "Bad": a DNS-1035 label must consist of');
    expect((await apply(manifest('web.yaml'), '-n', 'missing')).stderr).toContain('namespaces "missing" not found');
  });

  it('creates by the typed commands', async () => {
    expect((await kubectl('create', 'ns', 'made')).stdout).toBe('namespace/made created');
    expect((await kubectl('-n', 'made', 'create', 'deployment', 'd', '--image=nginx')).stdout).toBe('deployment.apps/d created');
    expect((await kubectl('-n', 'made', 'expose', 'deploy', 'd', '--port=80')).stdout).toBe('service/d exposed');
    expect((await kubectl('-n', 'made', 'create', 'secret', 'generic', 's', '--from-literal=a=b')).stdout).toBe('secret/s created');
    expect((await kubectl('-n', 'made', 'get', 'secret', 's', '-o', 'jsonpath={.data.a}')).stdout).toBe('Yg==');
    expect((await kubectl('-n', 'made', 'create', 'job', 'j', '--image=busybox')).stdout).toBe('job.batch/j created');
    expect((await kubectl('-n', 'made', 'wait', '--for=condition=complete', 'job/j', '--timeout=20s')).stdout).toContain('condition met');
    expect((await kubectl('delete', 'ns', 'made', '--timeout=20s')).stdout).toBe('namespace "made" deleted');
    expect((await kubectl('get', 'ns', 'made')).stderr).toContain('NotFound');
  });

  it('serves custom kinds: columns, defaults, versions, schema errors', async () => {
    expect((await apply(manifest('widgets.yaml'))).stdout).toContain('created');
    expect((await kubectl('wait', '--for=condition=established', 'crd/widgets.example.com', '--timeout=5s')).stdout).toContain(
      'condition met',
    );
    const widget = (spec: string, version = 'v1') =>
      `{"apiVersion":"example.com/${version}","kind":"Widget","metadata":{"name":"w"},"spec":${spec}}`;
    expect((await apply(widget('{"size":2}'))).stdout).toBe('widget.example.com/w created');
    expect((await kubectl('get', 'wd')).stdout).toMatch(/^NAME\s+SIZE\nw\s+2$/);
    expect((await kubectl('get', 'widgets.v1beta1.example.com', 'w', '-o', 'jsonpath={.apiVersion} {.spec.color}')).stdout).toBe(
      'example.com/v1beta1 red',
    );
    expect((await apply(widget('{"size":2,"colour":"red"}'))).stderr).toContain('strict decoding error: unknown field "spec.colour"');
    expect((await apply(widget('{"size":0}'))).stderr).toContain(
      'spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1',
    );
    expect((await apply(widget('{"size":1,"color":"green"}'))).stderr).toContain(
      'spec.color: Unsupported value: "green": supported values: "red", "blue"',
    );
    expect((await kubectl('delete', 'crd', 'widgets.example.com')).code).toBe(0);
  });
});

describe('workloads', () => {
  it('scales, rolls out, restarts and undoes', async () => {
    expect((await kubectl('scale', 'deploy/web', '--replicas=4')).stdout).toContain('scaled');
    expect((await kubectl('rollout', 'status', 'deploy/web', '--timeout=30s')).code).toBe(0);
    expect((await kubectl('set', 'image', 'deploy/web', 'web=example.com/web:2')).stdout).toContain('image updated');
    expect((await kubectl('rollout', 'status', 'deploy/web', '--timeout=30s')).stdout).toContain('successfully rolled out');
    expect((await kubectl('rollout', 'undo', 'deploy/web')).stdout).toContain('rolled back');
    expect((await kubectl('rollout', 'status', 'deploy/web', '--timeout=30s')).code).toBe(0);
    expect((await kubectl('get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')).stdout).toBe(
      'example.com/web:1',
    );
    expect((await kubectl('rollout', 'restart', 'deploy/web')).stdout).toContain('restarted');
    expect((await kubectl('rollout', 'status', 'deploy/web', '--timeout=30s')).code).toBe(0);
    expect((await kubectl('rollout', 'history', 'deploy/web')).stdout.split('\n').length).toBeGreaterThan(3);
    expect((await kubectl('wait', '--for=condition=available', 'deploy/web', '--timeout=5s')).stdout).toContain('condition met');
  });

  it('watches', async () => {
    const watch = cluster.spawnKubectl('get', 'cm', '-w', '--output-watch-events');
    let text = '';
    watch.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    await cluster.eventually(async () => text.includes('kube-root-ca.crt'));
    await kubectl('create', 'cm', 'seen');
    await kubectl('delete', 'cm', 'seen');
    await cluster.eventually(async () => /ADDED\s+seen/.test(text) && /DELETED\s+seen/.test(text));
    watch.kill();
    await once(watch, 'exit');
    expect(text).toMatch(/EVENT\s+NAME\s+DATA\s+AGE/);
  });
});

describe('pods', () => {
  const pod = async () => (await kubectl('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[0].metadata.name}')).stdout;

  it('shows logs', async () => {
    const name = await pod();
    expect((await kubectl('logs', name, '--tail=5')).stdout).toBe(`log of default/${name}/web tail=5`);
  });

  it('executes: output, input, exit codes', async () => {
    const name = await pod();
    expect((await kubectl('exec', name, '--', 'echo', 'hello')).stdout).toBe('echo hello');
    expect((await cluster.kubectlWith('shout', 'exec', '-i', name, '--', 'cat')).stdout).toBe('SHOUT');
    const failed = await kubectl('exec', name, '--', 'fail');
    expect([failed.code, failed.stderr]).toEqual([3, expect.stringContaining('to stderr\n')]);
  });

  it('forwards ports', async () => {
    const local = await freePort();
    const forward = cluster.spawnKubectl('port-forward', await pod(), `${local}:8080`);
    let text = '';
    forward.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    await cluster.eventually(async () => text.includes('Forwarding from 127.0.0.1'));
    for (const size of [5, 300_000]) {
      const socket = connect(local, '127.0.0.1');
      let received = 0;
      socket.on('data', (chunk) => {
        received += chunk.length;
      });
      socket.write(Buffer.alloc(size, 'x'));
      await cluster.eventually(async () => received === size);
      socket.destroy();
      expect(received).toBe(size);
    }
    forward.kill();
    await once(forward, 'exit');
  });
});

describe('access', () => {
  it('issues tokens and holds service accounts to their roles', async () => {
    const token = (await kubectl('create', 'token', 'default')).stdout;
    expect(token.split('.')).toHaveLength(3);
    const sa = 'system:serviceaccount:default:default';
    expect((await kubectl('auth', 'can-i', 'list', 'pods')).stdout).toBe('yes');
    expect((await kubectl('auth', 'can-i', 'list', 'pods', '--as', sa)).stdout).toBe('no');
    await kubectl('create', 'clusterrole', 'reader', '--verb=list', '--resource=pods');
    await kubectl('create', 'clusterrolebinding', 'reader', '--clusterrole=reader', '--serviceaccount=default:default');
    expect((await kubectl('auth', 'can-i', 'list', 'pods', '--as', sa)).stdout).toBe('yes');
    expect((await kubectl('get', 'secrets', '--as', sa)).stderr).toContain(
      `secrets is forbidden: User "${sa}" cannot list resource "secrets" in API group "" in the namespace "default"`,
    );
  });

  it('lists what it serves', async () => {
    expect((await kubectl('api-resources')).stdout).toMatch(/deployments\s+deploy\s+apps\/v1\s+true\s+Deployment/);
    expect((await kubectl('version')).stdout).toContain('Server Version: v1.32');
  });
});

describe('restart', () => {
  it('loses nothing that was acknowledged when it is killed', async () => {
    const names = Array.from({ length: 5 }, (_, index) => `kept-${index}`);
    for (const name of names) expect((await kubectl('create', 'cm', name)).code).toBe(0);
    const before = (await kubectl('get', 'cm,svc,deploy', '-A', '-o', 'jsonpath={.items[*].metadata.uid}')).stdout;
    await cluster.kill();
    await cluster.start();
    expect((await kubectl('get', 'cm,svc,deploy', '-A', '-o', 'jsonpath={.items[*].metadata.uid}')).stdout).toBe(before);
    expect((await kubectl('rollout', 'status', 'deploy/web', '--timeout=10s')).code).toBe(0);
  });
});
