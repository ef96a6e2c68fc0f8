// A story: one demo a file, one browser a file, fresh devices a story, and nobody complained at its end.

import { after, before, test } from 'node:test';

import { device, launch } from './browser.mjs';
import { startDemo } from './demo.mjs';

const TIMEOUT = 120_000;

/**
 * Prepares a file of stories. `story(name, async ({ demo, device, browser }) => …)`; each call of
 * `device()` is one more learner's device, closed and asked about its health at the story's end.
 */
export function stories({ demo: start = startDemo } = {}) {
  let demo;
  let browser;
  before(async () => {
    [demo, browser] = await Promise.all([start(), launch()]);
  }, { timeout: TIMEOUT });
  after(async () => {
    await browser?.close();
    await demo?.stop();
  }, { timeout: TIMEOUT });
  return (name, run) => test(name, { timeout: TIMEOUT }, async () => {
    const devices = [];
    try {
      await run({
        demo,
        browser,
        device: async (options) => {
          devices.push(await device(browser, options));
          return devices.at(-1);
        },
      });
      devices.forEach((each) => each.healthy());
    } finally {
      await Promise.all(devices.map((each) => each.close()));
    }
  });
}
