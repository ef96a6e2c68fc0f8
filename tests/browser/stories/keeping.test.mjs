// Nothing is lost: reloads, films, dead networks, several tabs.

import assert from 'node:assert/strict';

import { PATIENCE, picture } from '../support/browser.mjs';
import { sheet } from '../support/sheet.mjs';
import { stories } from '../support/story.mjs';

const story = stories();
const path = (request) => new URL(request.url()).pathname;

story('a film resumes where it was left', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  const film = widget.hook('step').locator('video');
  // The position may be told already while it plays, and then not again at the pause.
  const saved = page.waitForResponse((response) => response.request().method() === 'PATCH' && response.ok());
  await film.evaluate((video) => new Promise((resolve, reject) => {
    video.onerror = () => reject(new Error(video.error?.message));
    video.muted = true;
    video.ontimeupdate = () => { if (video.currentTime > 25) resolve(); };
    video.currentTime = 25;
    video.play().catch(reject);
  }));
  await film.evaluate((video) => video.pause());
  await saved;
  await page.reload();
  await widget.ready();
  await widget.step(2).waitFor();
  await widget.hook('resume').waitFor();
  await page.waitForFunction(() => {
    const video = document.querySelector('jalon-track').shadowRoot.querySelector('video');
    return video && video.currentTime >= 20;
  });
});

story('an answer under way outlives a reload', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.next(3);
  const field = widget.host.locator('[data-kind="numeric"] input');
  await field.fill('6');
  await widget.saved();
  await page.reload();
  await widget.ready();
  await widget.step(3).waitFor();
  await field.waitFor();
  await page.waitForFunction(() => document.querySelector('jalon-track').shadowRoot.querySelector('[data-kind="numeric"] input')?.value === '6');
});

story('nothing moves under a finger: another attempt begins when its questions are here', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.next(3);
  const answers = sheet('umpire-l1-prep', 'check', 'fr');
  await widget.answer(answers, { right: false });
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  let asked;
  const request = new Promise((resolve) => { asked = resolve; });
  await page.route(/\/steps\/3(\?|$)/, async (route) => {
    asked();
    await held;
    await route.continue();
  });
  await widget.hook('retry').click();
  await request;
  await widget.hook('loading').waitFor();
  assert.equal(await widget.hook('question').count(), 0, 'no question of the attempt before');
  release();
  const passed = await widget.answer(answers, { right: true });
  assert.equal(await passed.getAttribute('data-passed'), 'true');
});

story('reads on offline, and nothing is lost', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.saved();
  // A step that was locked is fetched when it opens (G6); what is here can be read on offline.
  await widget.hook('next').waitFor();
  await phone.offline(true);
  await widget.hook('offline').waitFor();
  await widget.next(3);
  await widget.host.locator('[data-jalon="sync"][data-state="offline"]').waitFor();
  await picture(page, 'offline');
  await phone.offline(false);
  await widget.saved();
  await page.reload();
  await widget.ready();
  await widget.unfold();
  assert.deepEqual((await widget.states()).slice(0, 2), ['completed', 'completed']);
});

story('a quiz handed in offline is graded later', async ({ demo, device }) => {
  const phone = await device();
  const { widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.next(3);
  await widget.saved();
  await widget.hook('question').first().waitFor();
  await phone.offline(true);
  const graded = widget.answer(sheet('umpire-l1-prep', 'check', 'fr'), { right: true, offline: true });
  await widget.host.locator('[data-jalon="grading"][data-state="queued"]').waitFor();
  await phone.offline(false);
  assert.equal(await (await graded).getAttribute('data-passed'), 'true');
});

story('two tabs are one learner, and send once', async ({ demo, device }) => {
  const phone = await device();
  const advances = [];
  phone.context.on('request', (request) => {
    if (path(request).endsWith('/advance')) advances.push(request.headers()['idempotency-key']);
  });
  const guests = [];
  phone.context.on('request', (request) => {
    if (request.method() === 'POST' && path(request).endsWith('/guests')) guests.push(request.headers()['idempotency-key']);
  });
  const first = await phone.open(demo.page());
  const second = await phone.open(demo.page());
  await first.widget.next(2);
  await first.widget.saved();
  // The other tab hears of it without a reload.
  await second.widget.unfold();
  await second.page.waitForFunction(() => document.querySelector('jalon-track').shadowRoot
    .querySelector('[data-jalon="step-link"][data-order="1"]').dataset.state === 'completed');
  // Both tabs drain the same outbox; each entry goes once.
  await phone.offline(true);
  await first.widget.hook('offline').waitFor();
  await first.widget.next(3);
  await phone.offline(false);
  await first.widget.saved();
  await second.page.waitForFunction(() => document.querySelector('jalon-track').shadowRoot
    .querySelector('[data-jalon="step-link"][data-order="2"]').dataset.state === 'completed');
  assert.equal(new Set(guests).size, 1, 'one guest');
  assert.equal(new Set(advances).size, 2, 'two steps');
});

story('an answer lost on its way makes no second guest and no second attempt', async ({ demo, device }) => {
  const phone = await device();
  phone.expect(/net::ERR_FAILED/);
  const lost = new Set();
  // The server hears the first call of each kind, the device never its answer.
  await phone.context.route(/\/(guests|enrollments|advance)(\?|$)/, async (route) => {
    const kind = path(route.request()).split('/').pop();
    if (route.request().method() !== 'POST' || lost.has(kind)) return route.continue();
    lost.add(kind);
    await route.fetch();
    return route.abort('failed');
  });
  // Three growing waits: the clock needn't be the wall's.
  await phone.context.clock.install();
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  for (const deadline = Date.now() + PATIENCE; lost.size < 3 && Date.now() < deadline;) await page.clock.runFor(500);
  await page.clock.runFor(20_000);
  await widget.saved();
  assert.deepEqual([...lost].toSorted(), ['advance', 'enrollments', 'guests']);
  await page.reload();
  await widget.ready();
  await widget.unfold();
  assert.equal((await widget.states())[0], 'completed');
});
