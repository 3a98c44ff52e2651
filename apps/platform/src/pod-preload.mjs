// Loaded into every Node process of a pod before its own code.
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { flushCompileCache, syncBuiltinESMExports } from 'node:module';

// Pods end by a signal, after which Node would not write its compile cache: write it once the process has come up.
if (process.env.NODE_COMPILE_CACHE !== undefined) setTimeout(() => flushCompileCache?.(), 8000).unref();

// Without network namespaces a pod has no name server of its own: names of the cluster come from a file of the node agent.
const hostsFile = process.env.XEBEC_HOSTS_FILE;
if (hostsFile !== undefined) {
  const namespace = process.env.POD_NAMESPACE ?? readNamespace();
  const find = (name) => {
    let hosts;
    try {
      hosts = JSON.parse(readFileSync(hostsFile, 'utf8'));
    } catch {
      return undefined;
    }
    for (const suffix of ['', '.cluster.local', '.svc.cluster.local', `.${namespace}.svc.cluster.local`]) {
      if (hosts[name + suffix] !== undefined) return hosts[name + suffix];
    }
    return undefined;
  };
  const original = dns.lookup;
  dns.lookup = function lookup(hostname, options, callback) {
    const done = typeof options === 'function' ? options : callback;
    const address = typeof hostname === 'string' ? find(hostname.replace(/\.$/, '')) : undefined;
    if (address === undefined) return original.call(dns, hostname, options, callback);
    const all = typeof options === 'object' && options !== null && options.all === true;
    process.nextTick(() => (all ? done(null, [{ address, family: 4 }]) : done(null, address, 4)));
    return {};
  };
  const originalPromise = dns.promises.lookup;
  dns.promises.lookup = async (hostname, options) => {
    const address = find(hostname.replace(/\.$/, ''));
    if (address === undefined) return originalPromise.call(dns.promises, hostname, options);
    return options?.all === true ? [{ address, family: 4 }] : { address, family: 4 };
  };
  const resolve4 = dns.promises.Resolver.prototype.resolve4;
  dns.promises.Resolver.prototype.resolve4 = async function patched(hostname, options) {
    const address = find(hostname.replace(/\.$/, ''));
    if (address === undefined) return resolve4.call(this, hostname, options);
    return options?.ttl === true ? [{ address, ttl: 5 }] : [address];
  };
  // For modules that import these functions by name.
  syncBuiltinESMExports();
}

function readNamespace() {
  try {
    return readFileSync(`${process.env.XEBEC_ROOT ?? ''}/var/run/secrets/kubernetes.io/serviceaccount/namespace`, 'utf8').trim();
  } catch {
    return 'default';
  }
}
