// Preloaded (`--import`) into a process of Xebec that a test wants to run without some of its guards: XEBEC_E2E_WITHOUT is a list of
// {file, find, replace}, and each source file named is changed as it is loaded. A guard that is not found where the test says it
// stands ends the process: the test must not pass because it removes nothing.
import { registerHooks } from 'node:module';

/** @type {{ file: string, find: string, replace: string }[]} */
const removals = JSON.parse(process.env.XEBEC_E2E_WITHOUT ?? '[]');

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const mine = removals.filter(({ file }) => url.endsWith(`/${file}`));
    if (mine.length === 0) return loaded;
    let source = String(loaded.source);
    for (const { file, find, replace } of mine) {
      if (!source.includes(find)) {
        process.stderr.write(`E_NO_GUARD: ${file} has no longer: ${find}\n`);
        process.exit(70);
      }
      source = source.replaceAll(find, () => replace);
    }
    return { ...loaded, source };
  },
});
