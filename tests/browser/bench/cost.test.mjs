// What the tag costs a site, and what the widget costs a browser that keeps it open: the same page with and
// without the tag under the throttling that Lighthouse uses (4× slower CPU, slow 4G); bytes on the wire;
// long tasks; layout shifts; and memory after two hundred changes of the step.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { PHONE, launch } from '../support/browser.mjs';
import { stories } from '../support/story.mjs';
import { startStage } from '../support/stage.mjs';
import { Widget } from '../support/widget.mjs';

const story = stories({ demo: startStage });
const ROUNDS = 5;
const CHANGES = 200;
/** Lighthouse's slow 4G: 1.6 Mbit/s down, 750 kbit/s up, 150 ms; as its developer-tools throttling adjusts them. */
const SLOW_4G = { offline: false, downloadThroughput: 1.6e6 * 0.9 / 8, uploadThroughput: 750e3 * 0.9 / 8, latency: 150 * 3.75 };
const SLOWER_CPU = 4;

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** A site's page: a heading and three screens of text, and the tag in the middle, or not. */
async function site(stage) {
  const words = 'A jack, six boules and a piece of ground: that is all it takes. '.repeat(12);
  const server = createServer((request, response) => {
    const script = `<script async src="${stage.api}/embed/v1/jalon.js"`;
    const tag = {
      '/with': `${script} data-site="fpsf" data-track="walk"></script>`,
      // As docs/embedding.md has it: the tag keeps the place.
      '/reserved': `${script} data-site="fpsf" data-track="walk" style="display: block; min-height: 34em"></script>`,
    }[request.url] ?? '';
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(`<!doctype html><html lang="fr"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Club</title><link rel="icon" href="data:,"></head><body><h1>Our club</h1><p>${words}</p>${tag}<h2>When we meet</h2><p>${words}</p><p>${words}</p></body></html>`);
  });
  // The page's origin is the one that the site has listed.
  const { port } = new URL(stage.origin);
  await stage.letGo();
  server.listen(Number(port), '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Counts what the page's browser can tell of its loading. */
function watch() {
  const seen = globalThis.__seen = { long: [], shifts: 0, shifted: [], fcp: 0, lcp: 0 };
  const on = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
  on('longtask', (task) => seen.long.push(task.duration));
  on('layout-shift', (shift) => {
    if (shift.hadRecentInput) return;
    seen.shifts += shift.value;
    seen.shifted.push(shift.value);
  });
  on('paint', (paint) => { if (paint.name === 'first-contentful-paint') seen.fcp = paint.startTime; });
  on('largest-contentful-paint', (paint) => { seen.lcp = paint.startTime; });
}

/** One cold visit of a phone. */
async function visit(address, tagged) {
  const browser = await launch();
  try {
    const context = await browser.newContext({ viewport: PHONE, deviceScaleFactor: 2, hasTouch: true, isMobile: true });
    const page = await context.newPage();
    await page.addInitScript(watch);
    const debug = await context.newCDPSession(page);
    let bytes = 0;
    let requests = 0;
    debug.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength; requests += 1; });
    await debug.send('Network.enable');
    await debug.send('Network.emulateNetworkConditions', SLOW_4G);
    await debug.send('Emulation.setCPUThrottlingRate', { rate: SLOWER_CPU });
    await page.goto(address, { waitUntil: 'load' });
    if (tagged) await page.locator('jalon-track [data-jalon="next"]').waitFor();
    await page.waitForLoadState('networkidle');
    // Two frames, so that what was found last is told.
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const { long, shifts, fcp, lcp } = await page.evaluate(() => globalThis.__seen);
    return {
      FCP: fcp, LCP: lcp, 'long tasks': long.length, 'in them': long.reduce((sum, task) => sum + task, 0),
      'blocked (past 50 ms each)': long.reduce((sum, task) => sum + task - 50, 0), 'CLS × 1000': shifts * 1000, requests, KB: bytes / 1000,
    };
  } finally {
    await browser.close();
  }
}

/** Memory as the page's engine counts it, after its rubbish was collected; bytes. */
async function memory(page, debug) {
  await debug.send('HeapProfiler.collectGarbage');
  const { usedSize } = await debug.send('Runtime.getHeapUsage');
  const { nodes, jsEventListeners } = await debug.send('Memory.getDOMCounters');
  const buffers = await page.evaluate(() => globalThis.__memories.reduce((sum, one) => sum + one.buffer.byteLength, 0));
  return { heap: usedSize, wasm: buffers, nodes, listeners: jsEventListeners };
}

story('what the tag costs a page', async ({ demo }) => {
  const server = await site(demo);
  const rounds = { without: [], with: [], reserved: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const kind of Object.keys(rounds)) rounds[kind].push(await visit(`${demo.origin}/${kind}`, kind !== 'without'));
  }
  console.log(`\n  slow 4G, ${SLOWER_CPU}× slower CPU, nothing cached, median of ${ROUNDS}`);
  const row = (name, cells) => console.log(`  ${name.padEnd(28)}${cells.map((cell) => String(cell).padStart(12)).join('')}`);
  row('', ['without', 'one tag', 'reserved']);
  const of = (kind, name) => median(rounds[kind].map((round) => round[name]));
  for (const name of Object.keys(rounds.with[0])) row(name, Object.keys(rounds).map((kind) => of(kind, name).toFixed(0)));
  server.close();
  server.closeAllConnections();
  assert.ok(of('reserved', 'CLS × 1000') <= 10, 'what keeps its place moves nothing');
});

story('memory after many changes of the step', async ({ demo }) => {
  const server = await site(demo);
  const browser = await launch();
  try {
    const context = await browser.newContext({ viewport: PHONE, deviceScaleFactor: 2, hasTouch: true, isMobile: true });
    const page = await context.newPage();
    await page.addInitScript(() => {
      globalThis.__memories = [];
      const instantiate = WebAssembly.instantiateStreaming;
      WebAssembly.instantiateStreaming = async (...all) => {
        const made = await instantiate(...all);
        globalThis.__memories.push(...Object.values(made.instance.exports).filter((each) => each instanceof WebAssembly.Memory));
        return made;
      };
    });
    const debug = await context.newCDPSession(page);
    await page.goto(`${demo.origin}/with`);
    const widget = new Widget(page);
    await widget.ready();
    for (let order = 2; order <= 6; order += 1) await widget.next(order);
    await widget.saved();
    const change = async (times) => {
      for (let n = 0; n < times; n += 1) {
        const order = n % 5 + 1;
        await widget.line(order).evaluate((line) => line.click());
        await widget.step(order).waitFor();
      }
    };
    await change(20);
    const before = await memory(page, debug);
    await change(CHANGES);
    const after = await memory(page, debug);
    console.log(`\n  ${CHANGES} changes of the step     before     after`);
    const show = { heap: ['JavaScript heap, KB', 1000], wasm: ['WebAssembly, KB', 1000], nodes: ['DOM nodes', 1], listeners: ['listeners', 1] };
    for (const [name, [label, unit]] of Object.entries(show)) {
      console.log(`  ${label.padEnd(24)}${(before[name] / unit).toFixed(0).padStart(10)}${(after[name] / unit).toFixed(0).padStart(10)}`);
    }
    console.log('');
    // Growth with every step would be ten times this.
    assert.ok(after.wasm <= before.wasm + 65_536, 'the WebAssembly stays as large as it is');
    assert.ok(after.nodes <= before.nodes + 500, 'no step leaves its nodes behind');
  } finally {
    await browser.close();
    server.close();
    server.closeAllConnections();
  }
});
