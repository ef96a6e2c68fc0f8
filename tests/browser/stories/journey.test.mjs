// The main story: a guest on a phone takes the umpire track, fails, passes, logs in, finishes.

import assert from 'node:assert/strict';

import { picture } from '../support/browser.mjs';
import { sheet } from '../support/sheet.mjs';
import { stories } from '../support/story.mjs';

const story = stories();
const TRACK = 'umpire-l1-prep';

story('a guest becomes a member, and the federation hears of it', async ({ demo, device }) => {
  const phone = await device();
  const written = [];
  phone.context.on('request', (request) => {
    if (request.url().startsWith(demo.api) && request.method() !== 'GET') written.push(request.url());
  });
  const { page, widget } = await phone.open(demo.page());
  await picture(page, 'journey-1-begin');

  // Reads, and nothing waits for the network.
  await widget.step(1).waitFor();
  assert.deepEqual(written, [], 'nothing is made of who only looks');
  await widget.next(2);
  await widget.saved();
  assert.equal(written.filter((url) => new URL(url).pathname.endsWith('/guests')).length, 1);

  // A film with captions.
  const film = widget.hook('step').locator('video');
  assert.deepEqual(await film.locator('track').evaluateAll((all) => all.map((track) => track.srclang).toSorted()), ['en', 'fr', 'sv']);
  await widget.next(3);

  // What comes after the quiz is visibly locked, and says by what.
  await widget.unfold();
  assert.equal((await widget.states())[4], 'locked');
  const reason = widget.host.locator('li').filter({ has: page.locator('[data-order="5"]') }).locator('[data-jalon="locked-reason"]');
  assert.match(await reason.innerText(), /Les bases/);
  await picture(widget.host, 'journey-2-locked');

  // Fails, sees why, passes.
  const answers = sheet(TRACK, 'check', 'fr');
  const failed = await widget.answer(answers, { right: false });
  assert.equal(await failed.getAttribute('data-passed'), 'false');
  assert.ok(await widget.hook('verdict').count() >= answers.length, 'every question says how it went');
  await picture(widget.host, 'journey-3-failed');
  await widget.hook('retry').click();
  const passed = await widget.answer(answers, { right: true });
  assert.equal(await passed.getAttribute('data-passed'), 'true');
  await picture(page, 'journey-4-passed');

  // Reloads: where I was.
  await page.reload();
  await widget.ready();
  await widget.unfold();
  assert.deepEqual((await widget.states()).slice(0, 3), ['completed', 'completed', 'completed']);

  // Logs in on the page; the widget asks; the receipt tells.
  await page.locator('#login-button').click();
  await widget.hook('merge-dialog').waitFor();
  assert.match(await widget.hook('merge-dialog').innerText(), /3/, 'it says how much would be added');
  await picture(widget.host, 'journey-5-merge');
  await widget.hook('merge-accept').click();
  await widget.hook('receipt').waitFor();
  await picture(widget.host, 'journey-6-receipt');
  await widget.hear('merged');

  // Finishes.
  await widget.unfold();
  await widget.line(5).click();
  await widget.step(5).waitFor();
  await widget.next(6);
  await widget.next(7);
  const final = await widget.answer(sheet(TRACK, 'final', 'fr'), { right: true });
  assert.equal(await final.getAttribute('data-passed'), 'true');
  await widget.hear('completed');
  await widget.hook('completion').or(widget.hook('next')).first().waitFor();
  if (!await widget.hook('completion').isVisible()) await widget.hook('next').click();
  await widget.hook('completion').waitFor();
  assert.match(await widget.hook('score').innerText(), /100/);
  await picture(page, 'journey-7-completed');

  // On the same screen: what the coaching system verified.
  const heard = page.locator('#webhooks li').first();
  await heard.waitFor();
  assert.match(await heard.innerText(), /u-42/);
  const completed = (await demo.webhooks()).filter(({ type }) => type === 'coaching.learning_track.completed');
  assert.equal(completed.length, 1);
  assert.equal(completed[0].verified, true);
  assert.equal(completed[0].data.score, 100);
  assert.equal(completed[0].data.user_id, 'u-42');
  await picture(page, 'journey-8-heard');
});
