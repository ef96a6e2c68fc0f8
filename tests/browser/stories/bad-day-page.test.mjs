// Promise 7: the page around the widget has a bad day, or its learner is in a hurry.

import assert from 'node:assert/strict';

import { gate, startStage } from '../support/stage.mjs';
import { words } from '../support/sheet.mjs';
import { stories } from '../support/story.mjs';

const story = stories({ demo: startStage });

async function under(demo, device, options) {
  demo.clear();
  return device(options);
}

const guests = (stage) => stage.log.filter((entry) => entry.method === 'POST' && entry.path.endsWith('/guests')).length;
const enrolled = (stage) => stage.log.filter((entry) => entry.method === 'POST' && entry.path.endsWith('/enrollments') && entry.status === 201).length;

/**
 * What a translating extension does to a page: another's text where Yew's was. When the language changes
 * then, the instance panics.
 */
async function maul(page, lang) {
  const panic = page.waitForEvent('console', (message) => message.text().includes('panicked'));
  const text = page.locator('jalon-track [data-jalon="step"] div.rich');
  // Not what an instance that has just panicked left behind.
  await text.getByText(/Ceci est|This is/).waitFor();
  await text.evaluate((rich) => rich.replaceChildren('translated'));
  await page.evaluate((other) => { document.documentElement.lang = other; }, lang);
  await panic;
}
const PANIC = [/panicked/, /unreachable/, /jalon:/, /RuntimeError/];

story('p7: a panic: a new instance goes on where the learner was', async ({ demo, device }) => {
  const phone = await under(demo, device);
  phone.expect(...PANIC);
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.next(3);
  await widget.saved();
  // One that waits to be sent lives through it as well.
  const opened = gate();
  demo.weather = async (entry) => void (entry.path.endsWith('/advance') && await opened.opened);
  await widget.hook('next').waitFor();
  const sent = page.waitForRequest((request) => request.url().includes('/advance'));
  await widget.next(4);
  await sent;
  await widget.line(3).evaluate((line) => line.click());
  await widget.step(3).waitFor();
  await maul(page, 'en');
  await widget.step(3).getByText('This is page 3.').waitFor();
  opened.open();
  demo.weather = undefined;
  await widget.saved();
  assert.deepEqual((await widget.states()).slice(0, 4), ['completed', 'completed', 'completed', 'open']);
  assert.deepEqual(await demo.held(), { walk: [[1, 2, 3]] });
  // Once more: what the device holds is doubted then, but not who the guest is.
  await maul(page, 'fr');
  await widget.step(4).getByText('Ceci est la page 4.').waitFor();
  await widget.next(5);
  await widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1, 2, 3, 4]] });
  assert.equal(guests(demo), 1);
});

story('p7: it panics over and over: it stops, says so and leads elsewhere', async ({ demo, device }) => {
  const phone = await under(demo, device);
  phone.expect(...PANIC);
  const { page, widget } = await phone.open(demo.page('lang=ar'));
  await widget.next(2);
  await widget.saved();
  for (const lang of ['en', 'ar', 'en', 'ar']) await maul(page, lang);
  await widget.host.getByText(words('ar')['error.crashed']).waitFor();
  assert.equal(await widget.hook('error').getAttribute('dir'), 'rtl');
  assert.equal(await page.getByRole('link').isVisible(), true);
  await page.reload();
  await widget.step(2).waitFor();
  await widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1]] });
});

story('p7: removed, moved and put back while requests are under way', async ({ demo, device }) => {
  const phone = await under(demo, device);
  await phone.context.clock.install();
  const { page, widget } = await phone.open(demo.page());
  const opened = gate();
  demo.weather = async (entry) => void (entry.method !== 'GET' && await opened.opened);
  const sent = page.waitForRequest((request) => request.method() === 'POST');
  await widget.next(2);
  await sent;
  // Moved: nothing happens to it.
  await page.evaluate(() => document.querySelector('#elsewhere').append(document.querySelector('jalon-track')));
  await widget.step(2).waitFor();
  // Removed for so long that it is let go of, then put back.
  await page.evaluate(() => { globalThis.away = document.querySelector('jalon-track'); globalThis.away.remove(); });
  await page.clock.runFor(3000);
  await page.evaluate(() => document.querySelector('#elsewhere').append(globalThis.away));
  opened.open();
  await widget.step(2).waitFor();
  await widget.saved();
  await widget.next(3);
  // Removed and put back over and over, in all states that mounting has.
  await page.evaluate(async () => {
    for (let round = 0; round < 50; round += 1) {
      globalThis.away.remove();
      if (round % 3 === 0) await new Promise(requestAnimationFrame);
      document.querySelector(round % 2 ? 'main' : '#elsewhere').append(globalThis.away);
      if (round % 5 === 0) await new Promise(requestAnimationFrame);
    }
  });
  await widget.step(3).waitFor();
  await widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1, 2]] });
  assert.equal(guests(demo), 1);
});

story('p7: a thousand rapid clicks', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const { page, widget } = await phone.open(demo.page());
  await page.evaluate(() => {
    const root = document.querySelector('jalon-track').shadowRoot;
    for (let click = 0; click < 1000; click += 1) {
      const all = [...root.querySelectorAll('button')].filter((button) => !['login', 'back'].includes(button.dataset.jalon));
      const button = all[click % all.length];
      button.click();
    }
  });
  await widget.saved();
  const { walk: [steps] } = await demo.held();
  assert.deepEqual(steps, steps.map((_, place) => place + 1), 'in order, without holes');
  assert.ok(steps.length >= 1);
  assert.equal(guests(demo), 1);
  assert.equal(enrolled(demo), 1);
  const advances = demo.log.filter((entry) => entry.path.endsWith('/advance'));
  assert.equal(advances.length, steps.length, 'each step was told once');
  await page.reload();
  await widget.ready();
  assert.equal((await widget.states()).filter((state) => state === 'completed').length, steps.length);
});

story('p7: a double click completes one step, and hands no blank answers in', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const { widget } = await phone.open(demo.page());
  await widget.hook('next').dblclick();
  await widget.saved();
  await widget.step(2).waitFor();
  assert.deepEqual(await demo.held(), { walk: [[1]] });
  const other = await phone.open(demo.page('track=short'));
  await other.widget.hook('question').first().waitFor();
  await other.widget.hook('question').first().locator('input').fill('6');
  await other.widget.hook('submit').dblclick();
  await other.widget.hook('missing').waitFor();
  assert.equal(await other.widget.hook('grading').count(), 0);
});

story('p7: who works elsewhere in the page keeps the focus', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const { page, widget } = await phone.open(demo.page('track=short'));
  const opened = gate();
  demo.weather = async (entry) => void (entry.path.endsWith('/advance') && await opened.opened);
  const fields = widget.host.locator('[data-jalon="question"] input');
  await fields.nth(0).fill('1');
  await fields.nth(1).fill('1');
  await widget.hook('submit').click();
  await widget.hook('grading').waitFor();
  await page.locator('#search').focus();
  opened.open();
  await widget.hook('result').waitFor();
  await page.locator('#search').pressSequentially('still here');
  assert.equal(await page.locator('#search').inputValue(), 'still here');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'search');
});

story('p7: nothing moves under a finger: reloaded between two attempts, the old questions don\'t come first', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const { page, widget } = await phone.open(demo.page());
  for (let order = 2; order <= 7; order += 1) await widget.next(order);
  await widget.saved();
  const fields = widget.host.locator('[data-jalon="question"] input');
  await fields.nth(0).fill('1');
  await fields.nth(1).fill('1');
  await widget.hook('submit').click();
  await widget.hook('result').waitFor();
  const opened = gate();
  demo.weather = async (entry) => void (/\/steps\/7$/.test(entry.path) && entry.method === 'GET' && await opened.opened);
  const asked = page.waitForRequest((request) => /\/steps\/7(\?|$)/.test(request.url()));
  await widget.hook('retry').click();
  await asked;
  // The answers of the attempt before are gone from the device, its questions are not.
  await page.waitForFunction(() => new Promise((resolve) => {
    const request = indexedDB.open('jalon');
    request.onsuccess = () => {
      const all = request.result.transaction('kv').objectStore('kv').getAllKeys();
      all.onsuccess = () => { request.result.close(); resolve(!all.result.some((key) => key.includes('|result|'))); };
    };
  }));
  const again = page.waitForRequest((request) => /\/steps\/7(\?|$)/.test(request.url()));
  await page.reload();
  await again;
  await widget.step(7).waitFor();
  await widget.hook('loading').waitFor();
  assert.equal(await widget.hook('question').count(), 0);
  opened.open();
  await widget.hook('question').first().waitFor();
});

story('p7: nothing moves under a finger: the list that was opened stays open, and the buttons where they are', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const token = await demo.member('u-finger');
  const tablet = await device();
  const name = (page) => page.locator('jalon-track').evaluate((host, member) => host.identify(member), token);
  const one = await phone.open(demo.page());
  await name(one.page);
  await one.widget.next(2);
  await one.widget.saved();
  const two = await tablet.open(demo.page());
  await name(two.page);
  await two.widget.step(2).waitFor();
  await two.widget.unfold();
  const top = () => two.widget.line(3).evaluate((line) => Math.round(line.getBoundingClientRect().top));
  const before = await top();
  // Further on the phone, and the server is gone and back.
  await one.widget.next(3);
  await one.widget.saved();
  await two.page.locator('jalon-track').evaluate((host) => host.refresh());
  await two.page.waitForFunction(() => document.querySelector('jalon-track').shadowRoot
    .querySelector('[data-jalon="step-link"][data-order="2"]').dataset.state === 'completed');
  assert.equal(await two.widget.hook('step-list-toggle').getAttribute('aria-expanded'), 'true');
  await tablet.offline(true);
  await two.widget.hook('offline').waitFor();
  assert.equal(await top(), before);
  await tablet.offline(false);
  await two.widget.hook('offline').waitFor({ state: 'detached' });
  assert.equal(await top(), before);
  assert.deepEqual(await demo.held(), { walk: [[1, 2]] });
});

story('p7: the course is slow to arrive: the page says so, and shows it when it comes', async ({ demo, device }) => {
  const phone = await under(demo, device);
  await phone.context.clock.install();
  const opened = gate();
  const asked = gate();
  demo.weather = async (entry) => {
    if (!entry.path.endsWith('.wasm')) return;
    asked.open();
    await opened.opened;
  };
  const { page, widget } = await phone.open(demo.page('lang=sv'), { ready: false });
  await asked.opened;
  await page.clock.runFor(21_000);
  await widget.host.getByText(words('sv')['error.slow']).waitFor();
  assert.equal(await page.getByRole('link').isVisible(), true);
  opened.open();
  await widget.ready();
  await widget.next(2);
  await widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1]] });
});
