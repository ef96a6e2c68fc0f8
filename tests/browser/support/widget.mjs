// The widget as a learner handles it. Playwright's CSS selectors look into open shadow roots.

import assert from 'node:assert/strict';

export class Widget {
  constructor(page, selector = 'jalon-track') {
    this.page = page;
    this.host = page.locator(selector).first();
  }

  /** What carries `data-jalon="name"`. */
  hook(name) {
    return this.host.locator(`[data-jalon="${name}"]`);
  }

  async ready() {
    await this.hook('step').or(this.hook('completion')).first().waitFor();
  }

  /** The step that is shown. */
  step(order) {
    return this.host.locator(`[data-jalon="step"][data-order="${order}"]`);
  }

  /** The line of a step in the list. */
  line(order) {
    return this.host.locator(`[data-jalon="step-link"][data-order="${order}"]`);
  }

  /** On a phone the list is folded. */
  async unfold() {
    const toggle = this.hook('step-list-toggle');
    if (await toggle.isVisible() && await toggle.getAttribute('aria-expanded') === 'false') await toggle.click();
    await this.line(1).waitFor();
  }

  /** The state of every step, in order. */
  async states() {
    return this.host.locator('[data-jalon="step-link"]').evaluateAll((lines) => lines.map((line) => line.dataset.state));
  }

  /** Completes the step that is shown and waits for the one with this order. */
  async next(order) {
    await this.hook('next').click();
    await this.step(order).waitFor();
  }

  /** Everything done so far lies with the server. */
  async saved() {
    await this.host.locator('[data-jalon="sync"][data-state="saved"]').waitFor();
  }

  /** The widget's events of this kind that the page has heard. */
  heard(name) {
    return this.page.evaluate((type) => globalThis.__seen.filter((event) => event.type === type).map((event) => event.detail), `jalon:${name}`);
  }

  /** Waits until the page has heard at least so many events of a kind. */
  async hear(name, count = 1) {
    await this.page.waitForFunction(
      ([type, least]) => globalThis.__seen.filter((event) => event.type === type).length >= least,
      [`jalon:${name}`, count],
    );
    return this.heard(name);
  }

  /** Answers every question of the quiz that is shown, then hands it in and waits for the result. */
  async answer(sheet, { right }) {
    const questions = this.hook('question');
    await questions.first().waitFor();
    for (let place = 0; place < await questions.count(); place += 1) {
      const question = questions.nth(place);
      const said = plain(await question.locator('legend').innerText());
      const known = sheet.find(({ prompt }) => said.includes(prompt));
      assert.ok(known, `the answer sheet knows “${said}”`);
      await this.#give(question, known, right);
    }
    const submit = this.hook('submit');
    await submit.click();
    const result = this.hook('result');
    // What was left blank is asked about once.
    await result.or(this.hook('missing')).first().waitFor();
    if (!await result.isVisible()) await submit.click();
    await result.waitFor();
    return result;
  }

  async #give(question, known, right) {
    const choose = (text) => question.getByText(text, { exact: true }).click();
    switch (known.kind) {
      case 'single_choice':
      case 'true_false':
        return choose(right ? known.right[0] : known.wrong[0]);
      case 'multiple_choice':
        for (const text of right ? known.right : known.wrong.slice(0, 1)) await choose(text);
        return undefined;
      case 'numeric':
      case 'short_text':
        return question.locator('input').fill(right ? known.text : '987654');
      case 'ordering':
        return this.#sort(question, right ? known.order : known.order.toReversed());
      case 'matching':
        for (const [left, partner] of right ? known.pairs : []) {
          await question.getByLabel(left, { exact: true }).selectOption({ label: partner });
        }
        return undefined;
      default:
        throw new Error(`a ${known.kind} can't be answered yet`);
    }
  }

  /** Moves each item up to its place, one button press at a time. */
  async #sort(question, order) {
    for (const [place, text] of order.entries()) {
      const at = async () => (await question.locator('li').allInnerTexts()).findIndex((item) => plain(item).includes(text));
      for (let now = await at(); now > place; now = await at()) {
        assert.ok(now > 0, `“${text}” is among the items`);
        await question.locator('li').nth(now).locator('button').first().click();
        await question.page().waitForFunction(
          ([list, before, wanted]) => !list.children[before].textContent.includes(wanted),
          [await question.locator('ol').elementHandle(), now, text],
        );
      }
    }
  }
}

/** Without Markdown's marks and with one kind of space. */
export const plain = (text) => text.replaceAll(/[*_`]/g, '').replaceAll(/\s+/g, ' ').trim();
