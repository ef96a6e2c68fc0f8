// The place of the widget in the page: what stands below it isn't pushed about by what comes late.

import assert from 'node:assert/strict';

import { stories } from '../support/story.mjs';
import { gate, startStage } from '../support/stage.mjs';
import { Widget } from '../support/widget.mjs';

const story = stories({ demo: startStage });
const KEPT = 'style="display: block; min-height: 34em"';

/** Opens a page with this in its middle, and tells where the line below it was on every frame. */
async function open(phone, stage, markup) {
  const page = await phone.context.newPage();
  await page.addInitScript(() => {
    globalThis.__below = [];
    const look = () => {
      const below = document.querySelector('#below');
      if (below) globalThis.__below.push(Math.round(below.getBoundingClientRect().top + scrollY));
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  stage.own = `<!doctype html><html lang="fr"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>A place</title><link rel="icon" href="data:,"></head><body><h1>Above</h1>${markup(stage.api)}<p id="below">Below</p></body></html>`;
  await page.goto(`${stage.origin}/own`);
  /** Where it was since last asked, each place once. */
  const places = () => page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const seen = globalThis.__below;
    globalThis.__below = seen.slice(-1);
    return seen.filter((place, n) => place !== seen[n - 1]);
  });
  return { page, widget: new Widget(page), places };
}

const loader = (api, more) => `<script async src="${api}/embed/v1/jalon.js" ${more}></script>`;
const TRACK = 'data-site="fpsf" data-track="walk"';

const FORMS = {
  'one tag': (api) => loader(api, `${TRACK} ${KEPT}`),
  'one tag, and a rule of the page': (api) => `<style>script[data-track] { ${KEPT.slice(7, -1)} }</style>${loader(api, TRACK)}`,
  'the element': (api) => `<jalon-track site="fpsf" track="walk" ${KEPT}></jalon-track>${loader(api, '')}`,
  'a <div>': (api) => `<div data-jalon-track="walk" data-site="fpsf" ${KEPT}></div>${loader(api, '')}`,
};
for (const [form, markup] of Object.entries(FORMS)) {
  story(`a place that is kept is kept: ${form}`, async ({ demo, device }) => {
    demo.clear();
    const { page, widget, places } = await open(await device(), demo, markup);
    await widget.ready();
    await widget.hook('next').waitFor();
    assert.ok(await page.locator('jalon-track').evaluate((host) => host.shadowRoot.querySelector('.card').offsetHeight) <= 544, 'it fits');
    assert.equal((await places()).length, 1, 'from the first frame on the line below stays where it is');
  });
}

story('a second visit takes the height of the first from the start', async ({ demo, device }) => {
  demo.clear();
  const phone = await device();
  const first = await open(phone, demo, (api) => loader(api, TRACK));
  await first.widget.hook('next').waitFor();
  const end = (await first.places()).at(-1);
  await first.page.close();
  const { widget, places } = await open(phone, demo, (api) => loader(api, TRACK));
  await widget.hook('next').waitFor();
  const seen = await places();
  assert.equal(seen.at(-1), end);
  assert.ok(seen.length <= 2, `from where it is without the widget it goes to its place at once: ${seen}`);
});

story('a step that takes its time leaves the page below where it is', async ({ demo, device }) => {
  demo.clear();
  const { widget, places } = await open(await device(), demo, (api) => loader(api, TRACK));
  await widget.hook('next').waitFor();
  const before = (await places()).at(-1);
  const body = gate();
  demo.weather = ({ path }) => path.endsWith('/steps/2') && body.opened;
  await widget.hook('next').click();
  await widget.step(2).locator('.bone').first().waitFor();
  await widget.saved();
  const meanwhile = await places();
  assert.ok(meanwhile.every((place) => place >= before), `while it loads nothing comes up: ${before}, ${meanwhile}`);
  body.open();
  await widget.step(2).getByText('Ceci est la page').waitFor();
  const [waiting, ...after] = await places();
  assert.ok(after.every((place) => place >= waiting), `what comes is at least as high as its bones: ${waiting}, ${after}`);
});
