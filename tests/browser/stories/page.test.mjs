// In somebody else's page: languages, strict policies, hostile styles, moved elements, no WebAssembly.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { accessible } from '../support/axe.mjs';
import { PHONE, picture } from '../support/browser.mjs';
import { sheet, words } from '../support/sheet.mjs';
import { stories } from '../support/story.mjs';
import { Widget } from '../support/widget.mjs';

const story = stories();

/** Nothing sticks out of the screen on the side. */
const fits = async (page, width = PHONE.width) => {
  const wide = await page.locator('jalon-track').first().evaluate((host) =>
    [...host.shadowRoot.querySelectorAll('*')].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 1 && (box.left < -1 || box.right > innerWidth + 1) && !element.closest('.vh');
    }).map((element) => `${element.tagName}.${element.className}`));
  assert.deepEqual(wide, [], `everything fits into ${width} px`);
};

story('the language changes half way: same progress, what lacks a translation says so', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.saved();
  await page.locator('#language').selectOption('sv');
  await widget.step(2).getByText('En omgång på nära håll').waitFor();
  assert.equal(await widget.hook('lang-fallback').count(), 0, 'this track speaks Swedish');
  await page.locator('#language').selectOption('de');
  await widget.host.getByText(words('de')['sync.saved']).waitFor();
  await widget.hook('lang-fallback').first().waitFor();
  await widget.unfold();
  assert.equal((await widget.states())[0], 'completed');
  const title = widget.step(2).locator('h3');
  assert.equal(await title.getAttribute('lang'), 'fr', 'it falls back on the language it was written in');
  await picture(page, 'language-fallback');
});

story('every interface language has every word', async () => {
  const languages = ['fr', 'en', 'sv', 'de', 'es', 'it', 'pl', 'ar'];
  const stem = (key) => key.replace(/\.(zero|one|two|few|many|other)$/, '');
  const keys = (lang) => [...new Set(Object.keys(words(lang)).map(stem))].toSorted();
  for (const lang of languages) assert.deepEqual(keys(lang), keys('en'), lang);
});

story('a page from right to left', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page('rtl.html'));
  const title = widget.host.locator('[data-jalon="step-list-toggle"]');
  assert.equal(await title.evaluate((element) => getComputedStyle(element).direction), 'rtl');
  await fits(page);
  await widget.next(2);
  await fits(page);
  await picture(page, 'rtl');
});

story('the hostile page changes nothing inside', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page());
  await widget.step(1).waitFor();
  await fits(page);
  // What is around `.jalon` in the shadow root shows no text of its own.
  const look = () => widget.host.evaluate((host) => [...host.shadowRoot.querySelectorAll('.jalon, .jalon *')].map((element) => {
    const style = getComputedStyle(element);
    return `${element.tagName}.${element.className} ` + ['color', 'display', 'float', 'font-family', 'font-size', 'font-style', 'letter-spacing',
      'line-height', 'text-align', 'text-indent', 'text-transform', 'text-shadow', 'word-spacing', 'cursor', 'user-select', 'background-color',
      'border-top-width', 'padding-top', 'margin-bottom', 'transform'].map((name) => style.getPropertyValue(name)).join('|');
  }));
  const hostile = await look();
  await picture(widget.host, 'hostile');
  const before = await widget.host.boundingBox();
  await page.evaluate(() => { document.querySelector('link[href*="hostile"]').disabled = true; });
  assert.deepEqual(hostile, await look());
  assert.ok(before.width >= 280, 'it has room to be read');
});

story('keys typed in the widget are not the page\'s shortcuts', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.next(3);
  const field = widget.host.locator('[data-kind="short_text"] input');
  await field.pressSequentially('j/k cochonnet');
  assert.equal(await field.inputValue(), 'j/k cochonnet');
  assert.equal(await page.evaluate(() => globalThis.__hostKeys), 0);
});

story('two widgets, one WebAssembly, each its own', async ({ demo, device }) => {
  const phone = await device();
  let fetched = 0;
  phone.context.on('request', (request) => { if (request.url().endsWith('.wasm')) fetched += 1; });
  const { page } = await phone.open(demo.page('two.html'), { ready: false });
  const first = new Widget(page, '#first');
  const second = new Widget(page, '#second');
  await first.ready();
  await second.host.scrollIntoViewIfNeeded();
  await second.ready();
  assert.equal(fetched, 1);
  await first.next(2);
  await first.saved();
  await second.step(1).waitFor();
  await second.unfold();
  assert.equal((await second.states()).includes('completed'), false);
  await picture(page, 'two');
});

story('a single-page application moves, removes and restores it', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page('spa.html?view=beginners'));
  await widget.next(2);
  await widget.host.evaluate((host) => { host.shadowRoot.querySelector('[data-jalon="step"]').dataset.same = 'yes'; });
  await page.locator('#move').click();
  await page.locator('#lower jalon-track').waitFor();
  assert.equal(await widget.step(2).getAttribute('data-same'), 'yes', 'moved, not made anew');
  await widget.saved();
  await page.locator('#remove').click();
  await page.locator('jalon-track').waitFor({ state: 'detached' });
  await page.locator('#add').click();
  await widget.step(2).waitFor();
  await page.getByRole('link', { name: 'Umpires' }).click();
  await widget.host.getByText('Devenir arbitre').or(widget.host.getByText('Becoming an umpire')).first().waitFor();
  await page.goBack();
  await widget.ready();
  await widget.unfold();
  assert.equal((await widget.states())[0], 'completed', 'and nothing is forgotten');
});

story('the form for pages that strip unknown elements', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page('data-form.html'));
  await widget.step(1).waitFor();
  await fits(page);
});

story('without WebAssembly the page still leads to the course', async ({ demo, device }) => {
  const phone = await device({ javaScriptEnabled: true });
  await phone.context.addInitScript(() => { delete globalThis.WebAssembly; });
  const { page, widget } = await phone.open(demo.page('two.html'), { ready: false });
  await widget.hook('error').waitFor();
  assert.equal(await page.getByRole('link', { name: 'Open the refresher' }).isVisible(), true);
  await page.goto(await page.getByRole('link', { name: 'Open the refresher' }).getAttribute('href'));
  await page.getByRole('heading', { level: 1 }).waitFor();
});

story('without JavaScript the fallback leads to a page with the content', async ({ demo, device }) => {
  const phone = await device({ javaScriptEnabled: false });
  const { page } = await phone.open(demo.page('two.html'), { ready: false });
  const link = page.getByRole('link', { name: 'Open the refresher' });
  await link.click();
  await page.getByRole('heading', { level: 1 }).waitFor();
  assert.ok((await page.locator('main').innerText()).length > 200, 'there is something to read');
});

story('a policy without WebAssembly: the learner gets the page, the owner the reason', async ({ demo, device }) => {
  const phone = await device();
  phone.expect(/wasm-eval/, /WebAssembly/);
  // A server between: what a browser is handed by the test itself may not load from this machine.
  const stricter = createServer(async (request, response) => {
    const answer = await fetch(demo.cms + request.url);
    const policy = answer.headers.get('content-security-policy')?.replace("'wasm-unsafe-eval'", '');
    response.writeHead(answer.status, {
      'content-type': answer.headers.get('content-type'),
      ...(policy && { 'content-security-policy': policy }),
    });
    response.end(Buffer.from(await answer.arrayBuffer()));
  }).listen(0, '127.0.0.1');
  await once(stricter, 'listening');
  const address = `http://127.0.0.1:${stricter.address().port}/two.html`;
  const { page, widget } = await phone.open(address, { ready: false });
  await widget.hook('error').waitFor();
  assert.ok((await widget.hook('error').innerText()).includes(words('en')['error.wasm_blocked']));
  assert.equal(await page.getByRole('link', { name: 'Open the refresher' }).isVisible(), true);
  assert.equal((await widget.heard('error'))[0].code, 'wasm_blocked');
  stricter.close();
  stricter.closeAllConnections();
});

story('an origin that the site has not listed is told so', async ({ demo, device }) => {
  const phone = await device();
  phone.expect(/CORS/, /net::ERR_FAILED/, /403/);
  // The same page under another name is another origin.
  const { widget } = await phone.open(demo.page('plain.html').replace('127.0.0.1', 'localhost'), { ready: false });
  await widget.hook('error').waitFor();
  assert.match(await widget.hook('error').getAttribute('data-code'), /origin/);
});

story('axe finds nothing on any state, light or dark', async ({ demo, device }) => {
  for (const colorScheme of ['light', 'dark']) {
    const phone = await device({ colorScheme });
    const { page, widget } = await phone.open(demo.page());
    await accessible(page);
    await widget.unfold();
    await accessible(page);
    await widget.next(2);
    await accessible(page);
    await widget.next(3);
    await widget.hook('question').first().waitFor();
    await accessible(page);
    await widget.hook('submit').click();
    await widget.hook('missing').waitFor();
    await accessible(page);
    await widget.answer(sheet('umpire-l1-prep', 'check', 'fr'), { right: false });
    await accessible(page);
    await page.locator('#login-button').click();
    await widget.hook('merge-dialog').waitFor();
    await accessible(page);
    await widget.hook('merge-decline').click();
    await picture(page, `axe-${colorScheme}`);
  }
});

story('small and large screens, forced colours, larger text', async ({ demo, device }) => {
  for (const [name, options] of Object.entries({
    narrow: { viewport: { width: 280, height: 653 } },
    wide: { viewport: { width: 1100, height: 800 }, isMobile: false, hasTouch: false },
    forced: { forcedColors: 'active' },
    still: { reducedMotion: 'reduce' },
  })) {
    const screen = await device(options);
    const { page, widget } = await screen.open(demo.page('plain.html'));
    await fits(page);
    await widget.next(2);
    await fits(page);
    await picture(page, `screen-${name}`);
  }
});
