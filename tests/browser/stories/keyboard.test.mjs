// Everything by keyboard alone, and the focus is always somewhere one can see.

import assert from 'node:assert/strict';

import { plain } from '../support/widget.mjs';
import { sheet } from '../support/sheet.mjs';
import { stories } from '../support/story.mjs';

const story = stories();
const DESK = { viewport: { width: 900, height: 900 }, isMobile: false, hasTouch: false };

/** The element that has the focus, through shadow roots. */
const focused = (page) => page.evaluateHandle(() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
});

/** Presses Tab until `wanted` has the focus. */
async function tabTo(page, wanted, { back = false } = {}) {
  await wanted.waitFor();
  const target = await wanted.elementHandle();
  for (let presses = 0; presses < 120; presses += 1) {
    if (await page.evaluate(([a, b]) => a === b, [await focused(page), target])) {
      const box = await target.boundingBox();
      assert.ok(box.width >= 1, 'what has the focus can be seen');
      return;
    }
    await page.keyboard.press(back ? 'Shift+Tab' : 'Tab');
  }
  assert.fail(`Tab never reaches ${wanted}`);
}

story('a whole quiz without a mouse', async ({ demo, device }) => {
  const desk = await device(DESK);
  const { page, widget } = await desk.open(demo.page());
  const before = await page.evaluate(() => scrollY);
  assert.equal(before, 0, 'nothing has scrolled the page');

  for (const order of [2, 3]) {
    await tabTo(page, widget.hook('next'));
    await page.keyboard.press('Enter');
    await widget.step(order).waitFor();
    // The learner's own step forward takes the focus along, into the widget.
    await page.waitForFunction(() => document.activeElement?.localName === 'jalon-track');
  }

  await widget.hook('question').first().waitFor();
  const answers = sheet('umpire-l1-prep', 'check', 'fr');
  const questions = widget.hook('question');
  for (let place = 0; place < await questions.count(); place += 1) {
    const question = questions.nth(place);
    const said = plain(await question.locator('legend').innerText());
    const known = answers.find(({ prompt }) => said.includes(prompt));
    await give(page, question, known);
  }
  await tabTo(page, widget.hook('submit'));
  await page.keyboard.press('Enter');
  await widget.hook('result').waitFor();
  assert.equal(await widget.hook('result').getAttribute('data-passed'), 'true');
});

/** The radio button or box that is labelled exactly so. */
const option = (question, text) => question.locator('label')
  .filter({ has: question.page().getByText(text, { exact: true }) }).locator('input');

async function give(page, question, known) {
  switch (known.kind) {
    case 'single_choice':
    case 'true_false': {
      // One stop for the group, then arrows.
      await tabTo(page, question.locator('input').first());
      await page.keyboard.press('Space');
      const wanted = option(question, known.right[0]);
      for (let presses = 0; presses < 8 && !await wanted.isChecked(); presses += 1) await page.keyboard.press('ArrowDown');
      assert.ok(await wanted.isChecked());
      return;
    }
    case 'multiple_choice':
      for (const text of known.right) {
        const box = option(question, text);
        await tabTo(page, box, { back: false });
        await page.keyboard.press('Space');
      }
      return;
    case 'numeric':
    case 'short_text':
      await tabTo(page, question.locator('input'));
      await page.keyboard.type(known.text);
      return;
    case 'ordering':
      for (const [place, text] of known.order.entries()) {
        const at = async () => (await question.locator('li').allInnerTexts()).findIndex((item) => plain(item).includes(text));
        for (let now = await at(); now > place; now = await at()) {
          await tabAnyway(page, question.locator('li').nth(now).locator('button').first());
          await page.keyboard.press('Enter');
          await page.waitForFunction(([list, from, wanted]) => !list.children[from].textContent.includes(wanted), [await question.locator('ol').elementHandle(), now, text]);
        }
      }
      return;
    case 'matching':
      for (const [left, right] of known.pairs) {
        const select = question.getByLabel(left, { exact: true });
        await tabTo(page, select);
        const options = (await select.locator('option').allInnerTexts()).map(plain);
        for (let presses = options.indexOf(plain(right)); presses > 0; presses -= 1) await page.keyboard.press('ArrowDown');
        assert.equal(plain(await select.locator('option:checked').innerText()), plain(right));
      }
      return;
    default:
      assert.fail(known.kind);
  }
}

/** Forwards, or back when what is wanted lies behind. */
async function tabAnyway(page, wanted) {
  const target = await wanted.elementHandle();
  const behind = await page.evaluate(([a, b]) => Boolean(a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_PRECEDING), [await focused(page), target]);
  await tabTo(page, wanted, { back: behind });
}
