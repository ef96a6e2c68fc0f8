// Starts `jalon demo`, the whole thing on free ports of this machine, and ends it again.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** A port that nobody listens on at the moment. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * The demo, running: `page(name)` is the address of one of the federation's pages, `api` the backend's.
 * Which address is which is asked of the servers themselves, not guessed from what is printed.
 */
export async function startDemo() {
  const binary = process.env.JALON_BIN;
  if (!binary) throw new Error('JALON_BIN names no binary: run `cargo xtask test --only browser`');
  const api = `http://127.0.0.1:${await freePort()}`;
  // All stories' learners come from this machine.
  const env = { ...process.env, JALON_LIMIT_GUESTS_PER_ADDRESS: '0' };
  const child = spawn(binary, ['demo', '--listen', new URL(api).host], { stdio: ['ignore', 'pipe', 'pipe'], env });
  let printed = '';
  const cms = await new Promise((resolve, reject) => {
    const line = (text) => {
      printed += `${text}\n`;
      for (const [address] of text.matchAll(/http:\/\/[\w.[\]:]+:\d+/g)) {
        if (address !== api) resolve(address);
      }
    };
    createInterface(child.stdout).on('line', line);
    createInterface(child.stderr).on('line', (text) => { printed += `${text}\n`; });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the demo ended with ${code}:\n${printed}`)));
  });
  return {
    api,
    cms,
    page: (name = 'index.html') => `${cms}/${name}`,
    /** What the receiver has verified so far, oldest first. */
    webhooks: async () => (await (await fetch(`${cms}/cms/webhooks`)).json()).items,
    /** What it printed, for when something is odd. */
    printed: () => printed,
    stop: async () => {
      if (child.exitCode !== null) return;
      child.removeAllListeners('exit');
      const end = once(child, 'exit');
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await end;
      clearTimeout(late);
    },
  };
}
