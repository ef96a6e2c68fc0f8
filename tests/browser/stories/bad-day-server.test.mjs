// Promise 7: the server has a bad day. What the learner did reaches it all the same, once, and the page says
// in words what is going on.

import assert from 'node:assert/strict';

import { PATIENCE } from '../support/browser.mjs';
import { gate, startStage } from '../support/stage.mjs';
import { words } from '../support/sheet.mjs';
import { stories } from '../support/story.mjs';

const story = stories({ demo: startStage });
/** What browsers say of answers that fail. */
const FAILED = [/Failed to load resource/, /CORS/, /net::/, /jalon:/, /integrity/];

const writes = (entry) => entry.method !== 'GET';
const advances = (stage) => stage.log.filter((entry) => entry.path.endsWith('/advance'));
const problem = (status, code, headers) => ({ status, headers, body: JSON.stringify({ type: 'about:blank', title: code, status, code }) });

/** A device under this sky. */
async function under(demo, device, options) {
  demo.clear();
  const phone = await device(options);
  phone.expect(...FAILED);
  return phone;
}

/** Time passes in the page until something is true. */
async function passes(page, enough) {
  for (const deadline = Date.now() + PATIENCE; !enough(); await page.clock.runFor(500)) {
    assert.ok(Date.now() < deadline, 'it comes to pass');
  }
}

/** The page says so. */
const says = (widget, lang, key) => widget.host.getByText(words(lang)[key]).first().waitFor();

const ANSWERS = {
  '500': problem(500, 'internal'),
  'the page of a proxy in between': { status: 403, headers: { 'content-type': 'text/html' }, body: '<h1>Log in to this hotel</h1>' },
  'somebody else\'s 200': { status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>Welcome</h1>' },
};

story(`p7: ${Object.keys(ANSWERS).join(', ')} to everything that is sent`, async ({ demo, device }) => {
  const phone = await under(demo, device);
  await phone.context.clock.install();
  const { page, widget } = await phone.open(demo.page());
  let step = 1;
  for (const answer of Object.values(ANSWERS)) {
    demo.weather = (entry) => (writes(entry) ? answer : undefined);
    await widget.hook('next').waitFor();
    await widget.next(step += 1);
    await says(widget, 'fr', 'away');
    await widget.host.locator('[data-jalon="sync"][data-state="pending"]').waitFor();
    demo.weather = undefined;
    await page.clock.runFor(3000);
    await widget.saved();
    await widget.hook('away').waitFor({ state: 'detached' });
    assert.equal(await widget.hook('notice').count(), 0, 'nothing was refused');
  }
  assert.deepEqual(await demo.held(), { walk: [[1, 2, 3]] });
  await page.reload();
  await widget.step(4).waitFor();
});

story('p7: 429 is waited out, however much is clicked', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const { widget } = await phone.open(demo.page('lang=ar'));
  demo.weather = (entry) => (writes(entry) ? problem(429, 'rate_limited', { 'retry-after': '4' }) : undefined);
  await widget.next(2);
  await says(widget, 'ar', 'away');
  assert.equal(await widget.hook('away').evaluate((element) => getComputedStyle(element).direction), 'rtl');
  demo.weather = undefined;
  const refused = demo.log.filter(writes).length;
  await widget.line(1).evaluate((line) => line.click());
  await widget.step(1).waitFor();
  await widget.line(2).evaluate((line) => line.click());
  await widget.step(2).waitFor();
  await widget.hook('next').waitFor();
  await widget.next(3);
  await widget.saved();
  const [last, first] = demo.log.filter(writes).slice(refused - 1);
  assert.ok(first.at - last.at >= 4000, `${Math.round(first.at - last.at)} ms were left to it`);
  assert.deepEqual(await demo.held(), { walk: [[1, 2]] });
});

story('p7: a server that hangs', async ({ demo, device }) => {
  const phone = await under(demo, device);
  await phone.context.clock.install();
  const { page, widget } = await phone.open(demo.page());
  demo.weather = (entry) => (writes(entry) ? 'hang' : undefined);
  await widget.next(2);
  await passes(page, () => demo.log.some(writes));
  await page.clock.fastForward(21_000);
  await says(widget, 'fr', 'away');
  demo.weather = undefined;
  await page.clock.runFor(3000);
  await widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1]] });
});

story('p7: answers cut in the middle, and answers lost', async ({ demo, device }) => {
  const phone = await under(demo, device);
  await phone.context.clock.install();
  const { page, widget } = await phone.open(demo.page());
  const bad = { '/guests': 'cut', '/enrollments': 'lose', '/advance': 'cut' };
  demo.weather = (entry) => {
    const [end, weather] = Object.entries(bad).find(([path]) => writes(entry) && entry.path.endsWith(path)) ?? [];
    delete bad[end];
    return weather;
  };
  await widget.next(2);
  await passes(page, () => Object.keys(bad).length === 0);
  await page.clock.runFor(10_000);
  await widget.saved();
  const keys = new Set(advances(demo).map((entry) => entry.key));
  assert.ok(advances(demo).length > keys.size && keys.size === 1, 'asked again, under the same key');
  assert.deepEqual(await demo.held(), { walk: [[1]] });
  await page.reload();
  await widget.step(2).waitFor();
});

story('p7: a body cut while it is read comes by itself', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const { widget } = await phone.open(demo.page());
  let cuts = 1;
  demo.weather = (entry) => (/\/steps\/2$/.test(entry.path) && entry.method === 'GET' && cuts-- > 0 ? 'cut' : undefined);
  await widget.next(2);
  await widget.step(2).getByText('Ceci est la page 2.').waitFor();
  await widget.saved();
});

story('p7: an answer that is late does not undo what was done since', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const first = await phone.open(demo.page());
  await first.widget.next(2);
  await first.widget.saved();
  await first.page.close();
  // In another track the guest has nothing yet. That answer comes when it is no longer true.
  const { page, widget } = await phone.open(demo.page('track=walk-again'));
  const late = gate();
  const asked = gate();
  demo.weather = (entry) => (entry.path.endsWith('/me/enrollments') ? (asked.open(), { after: late.opened }) : undefined);
  const none = page.waitForResponse((response) => new URL(response.url()).pathname.endsWith('/me/enrollments'));
  await page.locator('jalon-track').evaluate((host) => host.refresh());
  await asked.opened;
  await widget.next(2);
  await widget.saved();
  late.open();
  await (await none).finished();
  // The enrollment as it is now, answered after a later one.
  const older = gate();
  const again = gate();
  let held = 1;
  demo.weather = (entry) => {
    const ours = entry.method === 'GET' && /\/enrollments\/[^/]+$/.test(entry.path) && held-- > 0;
    return ours ? (again.open(), { after: older.opened }) : undefined;
  };
  const answered = page.waitForResponse((response) => /\/enrollments\/[^/]+$/.test(new URL(response.url()).pathname));
  await page.locator('jalon-track').evaluate((host) => host.refresh());
  await again.opened;
  await widget.next(3);
  await widget.saved();
  older.open();
  await (await answered).finished();
  await widget.next(4);
  await widget.saved();
  assert.deepEqual((await widget.states()).slice(0, 4), ['completed', 'completed', 'completed', 'open']);
  assert.deepEqual(await demo.held(), { walk: [[1]], 'walk-again': [[1, 2, 3]] });
});

story('p7: a backend killed and started again in the middle', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const { page, widget } = await phone.open(demo.page('lang=de'));
  await widget.next(2);
  await widget.saved();
  await widget.hook('next').waitFor();
  await demo.down();
  await widget.next(3);
  await says(widget, 'de', 'away');
  assert.equal(await widget.host.locator('[data-jalon="sync"]').getAttribute('data-state'), 'offline');
  await demo.up();
  await widget.saved();
  await widget.step(3).getByText('Ceci est la page 3.').waitFor();
  await widget.hook('away').waitFor({ state: 'detached' });
  assert.deepEqual(await demo.held(), { walk: [[1, 2]] });
  assert.equal(await page.locator('jalon-track').count(), 1);
});

story('p7: a page closed in the middle of an advance', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.saved();
  await widget.hook('next').waitFor();
  const closed = gate();
  demo.weather = (entry) => (entry.path.endsWith('/advance') ? { after: closed.opened } : undefined);
  const sent = page.waitForRequest((request) => request.url().includes('/advance'));
  await widget.next(3);
  await sent;
  await page.close();
  closed.open();
  demo.weather = undefined;
  const again = await phone.open(demo.page());
  await again.widget.step(3).waitFor();
  await again.widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1, 2]] });
});

for (const [lang, weather, key] of [['fr', problem(503, 'overloaded'), 'error.busy'], ['ar', 'refuse', 'error.unreachable']]) {
  story(`p7: opened on a bad day, it says so and comes by itself (${lang})`, async ({ demo, device }) => {
    const phone = await under(demo, device);
    demo.weather = (entry) => (entry.path.startsWith('/api/') || entry.path === '/healthz' ? weather : undefined);
    const { widget } = await phone.open(demo.page(`lang=${lang}`), { ready: false });
    await says(widget, lang, key);
    assert.equal(await widget.host.locator('.jalon').getAttribute('dir'), lang === 'ar' ? 'rtl' : 'ltr');
    demo.weather = undefined;
    // Nobody has to do anything.
    await widget.ready();
    await widget.next(2);
    await widget.saved();
    assert.deepEqual(await demo.held(), { walk: [[1]] });
  });
}

story('p7: the widget\'s own files come at the second try, or the page says where else to go', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const failed = new Set();
  demo.weather = (entry) => {
    const kind = /^\/embed\/.*\.(wasm|json)$/.exec(entry.path)?.[1];
    if (!kind || failed.has(kind)) return undefined;
    failed.add(kind);
    return { status: 502, body: 'bad gateway' };
  };
  await phone.context.clock.install();
  const first = await phone.open(demo.page(), { ready: false });
  await passes(first.page, () => failed.size === 2);
  await first.page.clock.runFor(1000);
  await first.widget.ready();
  await first.page.close();
  // Other words, so that nothing is cached.
  let tries = 0;
  demo.weather = (entry) => (/i18n-it/.test(entry.path) ? (tries += 1, { status: 502, body: 'bad gateway' }) : undefined);
  const second = await phone.open(demo.page('lang=it'), { ready: false });
  await passes(second.page, () => tries >= 3);
  await second.widget.hook('error').waitFor();
  await second.widget.host.getByText('Open it on its own page').waitFor();
  assert.equal(await second.page.getByRole('link').isVisible(), true);
  assert.deepEqual(await demo.held(), {});
});
