// Guests and members: what is added to whom, and what is not.

import assert from 'node:assert/strict';

import { sheet } from '../support/sheet.mjs';
import { stories } from '../support/story.mjs';

const story = stories();

const logIn = async (page, user) => {
  await page.locator('#member').selectOption(user);
  await page.locator('#login-button').click();
  // The page tells the widget before it shows who is there.
  await page.locator('#logout-button').waitFor();
};

story('a device that was further keeps being further', async ({ demo, device }) => {
  // At home, logged in, two steps.
  const home = await device();
  const atHome = await home.open(demo.page());
  await logIn(atHome.page, 'u-43');
  await atHome.widget.step(1).waitFor();
  await atHome.widget.next(2);
  await atHome.widget.saved();

  // On the phone, as a guest, further than that.
  const phone = await device();
  const onPhone = await phone.open(demo.page());
  await onPhone.widget.next(2);
  await onPhone.widget.next(3);
  await onPhone.widget.answer(sheet('umpire-l1-prep', 'check', 'fr'), { right: true });
  await logIn(onPhone.page, 'u-43');
  await onPhone.widget.hook('merge-accept').click();
  await onPhone.widget.hook('receipt').waitFor();

  // On a tablet, as a guest, less far: nothing goes back.
  const tablet = await device();
  const onTablet = await tablet.open(demo.page());
  await onTablet.widget.next(2);
  await onTablet.widget.saved();
  await logIn(onTablet.page, 'u-43');
  await onTablet.widget.hook('merge-accept').click();
  await onTablet.widget.hook('receipt').waitFor();

  for (const { page, widget } of [atHome, onPhone, onTablet]) {
    await page.reload();
    await widget.ready();
    await widget.unfold();
    assert.deepEqual((await widget.states()).slice(0, 3), ['completed', 'completed', 'completed']);
  }
});

story('what is declined stays out of the account', async ({ demo, device }) => {
  const shared = await device();
  const { page, widget } = await shared.open(demo.page());
  await widget.next(2);
  await widget.saved();
  await logIn(page, 'u-44');
  await widget.hook('merge-decline').click();
  await widget.hook('merge-dialog').waitFor({ state: 'detached' });
  await widget.step(1).waitFor();
  await widget.unfold();
  assert.equal((await widget.states()).includes('completed'), false);
});

story('after the logout the next guest is a new one', async ({ demo, device }) => {
  const tablet = await device();
  const { page, widget } = await tablet.open(demo.page());
  await logIn(page, 'u-45');
  await widget.step(1).waitFor();
  await widget.next(2);
  await widget.saved();
  await page.locator('#logout-button').click();
  await widget.step(1).waitFor();
  await widget.unfold();
  assert.equal((await widget.states()).includes('completed'), false, 'nothing of the member is shown');
  const guest = page.waitForResponse((response) => new URL(response.url()).pathname.endsWith('/guests') && response.status() === 201);
  await widget.next(2);
  await guest;
  await widget.saved();
});

story('no token and no answer leaves in an event', async ({ demo, device }) => {
  const phone = await device();
  const { page, widget } = await phone.open(demo.page());
  await widget.next(2);
  await widget.next(3);
  await widget.answer(sheet('umpire-l1-prep', 'check', 'fr'), { right: true });
  await logIn(page, 'u-42');
  await widget.hook('merge-accept').click();
  await widget.hear('merged');
  const all = JSON.stringify(await page.evaluate(() => globalThis.__seen));
  assert.doesNotMatch(all, /token|eyJ|answers|choice_ids|cochonnet/);
  for (const name of ['ready', 'step', 'step-completed', 'quiz-result', 'merged', 'progress', 'sync']) {
    assert.ok((await widget.heard(name)).length > 0, `jalon:${name} was heard`);
  }
});
