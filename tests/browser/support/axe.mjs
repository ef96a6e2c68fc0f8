// axe-core on what is shown now, shadow roots included.

import assert from 'node:assert/strict';
import axe from 'axe-core';

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Nothing to find within these elements; by default the widgets. */
export async function accessible(page, within = 'jalon-track') {
  // Through the debugger, so that the page's policy stays as strict as it is.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(
    ([selector, tags]) => globalThis.axe.run(selector, { runOnly: tags, resultTypes: ['violations'] }),
    [within, TAGS],
  );
  const found = violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) =>
    `${id}: ${help}\n  ${JSON.stringify(target)}\n  ${failureSummary}`));
  assert.deepEqual(found, [], 'axe finds nothing');
}
