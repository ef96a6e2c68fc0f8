// The browser, and devices in it: each a profile of its own, phone-sized, that remembers what went wrong.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

import { Widget } from './widget.mjs';

const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

export const PHONE = { width: 390, height: 844 };
export const TABLET = { width: 834, height: 1112 };
export const DESKTOP = { width: 1280, height: 900 };

/** How long anything in a story may take. Two busy cores are slow. */
export const PATIENCE = 20_000;

export const launch = (more = []) => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [...ARGUMENTS, ...more],
});

/**
 * A learner's device: an empty profile, phone-sized. What the console, the pages and their policies
 * complain about is kept, and `healthy()` says whether there was anything.
 */
export async function device(browser, options = {}) {
  const context = await browser.newContext({
    viewport: PHONE, deviceScaleFactor: 2, hasTouch: true, isMobile: true, locale: 'fr-FR', ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  const complaints = [];
  // Every browser asks for it, on every address it visits.
  let expected = [/favicon\.ico/];
  // Announced by the page itself, so that none is missed on pages without a probe of their own.
  const complain = (text) => {
    if (!expected.some((pattern) => pattern.test(text))) complaints.push(text);
  };
  await context.exposeBinding('__jalonViolation', (_, text) => complain(`policy: ${text}`));
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      globalThis.__jalonViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`);
    });
    globalThis.__seen = [];
    for (const name of ['ready', 'step', 'step-completed', 'quiz-result', 'completed', 'merged', 'login-requested', 'progress', 'sync', 'error']) {
      document.addEventListener(`jalon:${name}`, ({ type, detail }) => globalThis.__seen.push({ type, detail }));
    }
  });
  context.on('console', (message) => {
    if (message.type() !== 'error') return;
    complain(`console: ${message.text()} ${message.location().url ?? ''}`);
  });
  context.on('weberror', (error) => complain(`page: ${error.error()?.stack ?? error.error()}`));
  return {
    context,
    /** Opens a page of the demo; the first widget on it is ready when this answers. */
    async open(address, { ready = true } = {}) {
      const page = await context.newPage();
      await page.goto(address);
      const widget = new Widget(page);
      if (ready) await widget.ready();
      return { page, widget };
    },
    /** These complaints are part of the story, such as failed requests while offline. */
    expect: (...patterns) => { expected = [...expected, ...patterns]; },
    offline: async (yes) => {
      if (yes) expected = [...expected, /net::ERR_INTERNET_DISCONNECTED/, /Failed to fetch/];
      await context.setOffline(yes);
    },
    healthy: () => assert.deepEqual(complaints, [], 'nothing complained'),
    close: () => context.close(),
  };
}

/** A picture for people to look at, in target/xtask/browser. */
export async function picture(target, name) {
  const folder = join(import.meta.dirname, '../../../target/xtask/browser');
  mkdirSync(folder, { recursive: true });
  await target.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' });
}
