// Promise 7: the device has a bad day. Storage refused, taken away, full or spoilt; a clock that is wrong;
// tabs and devices that race. The learner's work is where it belongs: on the server.

import assert from 'node:assert/strict';

import { pages, startStage, track } from '../support/stage.mjs';
import { words } from '../support/sheet.mjs';
import { stories } from '../support/story.mjs';

const story = stories({ demo: startStage });
const DAY = 86_400_000;

async function under(demo, device, options) {
  demo.clear();
  return device(options);
}

const says = (widget, lang, key) => widget.host.getByText(words(lang)[key]).first().waitFor();
const guests = (stage) => stage.log.filter((entry) => entry.method === 'POST' && entry.path.endsWith('/guests')).length;

/** Storage that the browser refuses on access, as it does in private windows and with third-party storage blocked. */
const refuse = (context, ...names) => context.addInitScript((all) => {
  for (const name of all) {
    Object.defineProperty(globalThis, name, { get() { throw new DOMException('Access is denied for this document.', 'SecurityError'); } });
  }
}, names);

story('p7: without IndexedDB the other storage is used', async ({ demo, device }) => {
  const phone = await under(demo, device);
  await refuse(phone.context, 'indexedDB');
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.saved();
  await page.reload();
  await widget.step(2).waitFor();
  await widget.next(3);
  await widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1, 2]] });
  assert.equal(guests(demo), 1);
});

for (const lang of ['fr', 'ar']) {
  story(`p7: without any storage the learner is told, and what is sent is safe (${lang})`, async ({ demo, device }) => {
    const phone = await under(demo, device);
    await refuse(phone.context, 'indexedDB', 'localStorage');
    const { widget } = await phone.open(demo.page(`lang=${lang}`));
    await widget.next(2);
    await says(widget, lang, 'not_durable');
    await widget.next(3);
    await widget.saved();
    assert.deepEqual(await demo.held(), { walk: [[1, 2]] });
    assert.equal(guests(demo), 1, 'the guest is known as long as the page stands');
  });
}

story('p7: the database deleted under the page: the guest stays who they are', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.saved();
  await page.evaluate(() => new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase('jalon');
    request.onsuccess = resolve;
    request.onerror = reject;
  }));
  await widget.next(3);
  await widget.saved();
  await page.reload();
  await widget.step(3).waitFor();
  await widget.next(4);
  await widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1, 2, 3]] });
  assert.equal(guests(demo), 1);
});

story('p7: everything cleared by the browser while answers wait to be sent', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.saved();
  await widget.hook('next').waitFor();
  await phone.offline(true);
  await widget.next(3);
  await widget.host.locator('[data-jalon="sync"][data-state="offline"]').waitFor();
  const debug = await phone.context.newCDPSession(page);
  await debug.send('Storage.clearDataForOrigin', { origin: demo.origin, storageTypes: 'indexeddb,local_storage' });
  await phone.offline(false);
  await widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1, 2]] });
  assert.equal(guests(demo), 1);
});

story('p7: a full disk: answers under way are kept as they were last', async ({ demo, device }) => {
  const phone = await under(demo, device);
  // As browsers do it: the transaction is taken back.
  await phone.context.addInitScript(() => {
    const put = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = function full(...all) {
      const request = put.apply(this, all);
      if (sessionStorage.full) this.transaction.abort();
      return request;
    };
  });
  const { page, widget } = await phone.open(demo.page('track=short'));
  const fields = widget.host.locator('[data-jalon="question"] input');
  await fields.first().waitFor();
  await fields.nth(0).fill('1');
  await fields.nth(1).fill('1');
  await page.evaluate(() => { sessionStorage.full = 'yes'; });
  await fields.nth(0).fill('6');
  await fields.nth(1).fill('7');
  await page.waitForFunction(() => Object.entries(localStorage).some(([key, value]) => key.includes('|draft|') && value.includes('"7"')));
  await page.reload();
  await fields.first().waitFor();
  await page.waitForFunction(() => [...document.querySelector('jalon-track').shadowRoot.querySelectorAll('[data-jalon="question"] input')]
    .map((input) => input.value).join() === '6,7');
  // The other storage full, too: told, and sent all the same.
  await page.evaluate(() => {
    for (const size of [100_000, 1000, 1]) {
      try {
        for (let n = 0; ; n += 1) localStorage.setItem(`page:${size}:${n}`, 'x'.repeat(size));
      } catch { /* full */ }
    }
  });
  await widget.hook('submit').click();
  await widget.hook('result').waitFor();
  await says(widget, 'fr', 'not_durable');
  assert.equal(guests(demo), 1);
  assert.deepEqual(await demo.held(), { short: [[]] });
});

/** Gives wrong answers to the quiz that lets nobody try twice within three seconds, and waits until it does. */
async function miss(demo, phone) {
  const { page, widget } = await phone.open(demo.page('track=short'));
  const fields = widget.host.locator('[data-jalon="question"] input');
  await fields.first().waitFor();
  await fields.nth(0).fill('0');
  await fields.nth(1).fill('0');
  await widget.hook('submit').click();
  await widget.hook('result').waitFor();
  // Seconds, whatever the device's clock says; and not now, which the server would refuse.
  await widget.hook('cooldown').waitFor();
  assert.match(await widget.hook('cooldown').innerText(), /0:0\d/);
  await widget.hook('retry').waitFor();
  return { page, widget };
}

/** Tries again, with the right answers. */
async function pass(demo, { page, widget }) {
  await widget.hook('retry').click();
  for (let place = 0; place < 2; place += 1) {
    const question = widget.hook('question').nth(place);
    await question.locator('input').fill(await question.getAttribute('data-kind') === 'numeric' ? '6' : 'oui');
  }
  await widget.hook('submit').click();
  await widget.host.locator('[data-jalon="result"][data-passed="true"]').waitFor();
  assert.deepEqual(await demo.held(), { short: [[1]] });
  await page.reload();
  await widget.ready();
}

for (const [name, apart] of [['a day behind', -DAY], ['a day ahead', DAY], ['ten seconds ahead', 10_000]]) {
  story(`p7: a clock ${name}: the cooldown is the server's`, async ({ demo, device }) => {
    const phone = await under(demo, device);
    await phone.context.clock.install({ time: Date.now() + apart });
    await pass(demo, await miss(demo, phone));
  });
}

story('p7: a clock set while the page stands: a cooldown that shows goes away', async ({ demo, device }) => {
  const phone = await under(demo, device);
  await phone.context.addInitScript(() => {
    const now = Date.now;
    globalThis.__apart = 0;
    Date.now = () => now() + globalThis.__apart;
  });
  const { page, widget } = await miss(demo, phone);
  // Back, and forth again before the next tick, with a picture between: it shows a cooldown that is over at the tick.
  await page.evaluate(async () => {
    const root = document.querySelector('jalon-track').shadowRoot;
    globalThis.__apart = -5000;
    window.dispatchEvent(new Event('offline'));
    while (!root.querySelector('[data-jalon="cooldown"]')) await new Promise((later) => { setTimeout(later); });
    globalThis.__apart = 0;
  });
  await pass(demo, { page, widget });
});

story('p7: what lies on the device is spoilt: the learner is where they were', async ({ demo, device }) => {
  const phone = await under(demo, device);
  phone.expect(/404 \(Not Found\)/);
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.next(3);
  await widget.saved();
  for (const junk of ['null', '7', '"?"', '[]', '{}', '[65535, 65535]', '{"steps":[{}],"version":1e99,"track":{"version":-1}}', '{"quiz":{"questions":[{"id":0}]},"order":0}']) {
    await page.evaluate((text) => new Promise((resolve, reject) => {
      const request = indexedDB.open('jalon');
      request.onerror = reject;
      request.onsuccess = () => {
        const transaction = request.result.transaction('kv', 'readwrite');
        const kv = transaction.objectStore('kv');
        kv.openCursor().onsuccess = ({ target: { result: cursor } }) => {
          if (!cursor) return;
          // Who the guest is can't be guessed.
          if (!cursor.key.endsWith('|guest')) cursor.update(JSON.parse(text));
          cursor.continue();
        };
        kv.put(JSON.parse(text), cursorless(kv));
        transaction.oncomplete = () => { request.result.close(); resolve(); };
        transaction.onabort = reject;
      };
      function cursorless() { return 'http://nowhere|fpsf|out|00000000-0000-7000-8000-000000000000'; }
    }), junk);
    await page.reload();
    await widget.ready();
    await widget.step(3).waitFor();
    await widget.unfold();
    await page.waitForFunction(() => [...document.querySelector('jalon-track').shadowRoot.querySelectorAll('[data-jalon="step-link"]')]
      .slice(0, 3).map((line) => line.dataset.state).join() === 'completed,completed,open');
  }
  await widget.next(4);
  await widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1, 2, 3]] });
  assert.equal(guests(demo), 1);
});

story('p7: two tabs and a second device race as one member', async ({ demo, device }) => {
  const phone = await under(demo, device);
  const tablet = await device();
  const token = await demo.member('u-race');
  const all = [];
  for (const each of [phone, phone, tablet]) {
    const { page, widget } = await each.open(demo.page());
    await page.locator('jalon-track').evaluate((host, member) => host.identify(member), token);
    all.push({ page, widget });
  }
  for (let order = 1; order <= 6; order += 1) {
    // Each presses what it sees, at the same time; somebody may have been there before.
    await Promise.all(all.map(async ({ widget }) => {
      await widget.host.locator(`[data-jalon="step-link"][data-order="${order}"]:not([data-state="locked"])`).evaluate((line) => line.click());
      await widget.step(order).waitFor();
      await widget.hook('next').evaluate((button) => button.click());
    }));
  }
  for (const { widget } of all) await widget.saved();
  assert.deepEqual(await demo.held(), { walk: [[1, 2, 3, 4, 5, 6]] });
  for (const { page, widget } of all) {
    await page.locator('jalon-track').evaluate((host) => host.refresh());
    await page.waitForFunction(() => [...document.querySelector('jalon-track').shadowRoot.querySelectorAll('[data-jalon="step-link"]')]
      .slice(0, 6).every((line) => line.dataset.state === 'completed'));
    assert.equal(await widget.hook('notice').count(), 0);
  }
});

story('p7: what was not sent before a merge into a newer version counts for the step that was meant', async ({ demo, device }) => {
  const phone = await under(demo, device);
  phone.expect(/net::ERR_/);
  await demo.publish('moved', track('Le chemin', pages));
  const { widget } = await phone.open(demo.page('track=moved'));
  await widget.next(2);
  await widget.saved();
  let asked = false;
  demo.weather = ({ path }) => {
    asked ||= path.endsWith('/me/merge');
    return path.endsWith('/advance') && !asked ? 'refuse' : undefined;
  };
  await widget.next(3);
  // Meanwhile the track gets a page before all others, and the member begins it elsewhere.
  const news = { ...pages[0], key: 'news', required: false, title: { fr: 'Nouveau' } };
  await demo.publish('moved', track('Le chemin', [news, ...pages]));
  const token = await demo.member('u-7');
  await demo.enroll('moved', token);
  await widget.host.evaluate((host, member) => host.identify(member), token);
  await widget.hook('merge-accept').click();
  await widget.hook('receipt').waitFor();
  await widget.saved();
  const { moved } = await demo.held();
  assert.deepEqual(moved, [[2, 3]], 'pages 1 and 2, which stand second and third now');
});
