// Promise 5: whatever an author or a learner writes, nothing of it runs in the page.

import assert from 'node:assert/strict';

import { startStage } from '../support/stage.mjs';
import { stories } from '../support/story.mjs';

/** Each would leave its mark on the page's global object. Markdown's own links are refused on import. */
const VECTORS = [
  '<script>__pwned=1</script>',
  '<img src=x onerror=__pwned=1>',
  '"><img src=x onerror="__pwned=1">',
  '<svg onload=__pwned=1></svg>',
  '<svg><script>__pwned=1</script></svg>',
  '<svg><animate onbegin=__pwned=1 attributeName=x dur=1s></svg>',
  '<math><mtext><table><mglyph><style><img src=x onerror=__pwned=1></style></mglyph></table></mtext></math>',
  '<iframe srcdoc="<script>parent.__pwned=1</script>"></iframe>',
  '<iframe src="javascript:parent.__pwned=1"></iframe>',
  '<object data="javascript:__pwned=1"></object>',
  '<embed src="javascript:__pwned=1">',
  '<details open ontoggle=__pwned=1>x</details>',
  '<input autofocus onfocus=__pwned=1>',
  '<video><source onerror=__pwned=1></video>',
  '<audio src=x onerror=__pwned=1></audio>',
  '<body onload=__pwned=1>',
  '<marquee onstart=__pwned=1>x</marquee>',
  '<a href="javascript:__pwned=1">x</a>',
  '<a href="java&#10;script:__pwned=1">x</a>',
  '<a href=" &#1;javascript:__pwned=1">x</a>',
  '<form action="javascript:__pwned=1"><button>x</button></form>',
  '<noscript><p title="</noscript><img src=x onerror=__pwned=1>"></noscript>',
  '<textarea></textarea><img src=x onerror=__pwned=1>',
  '<!--><img src=x onerror=__pwned=1>-->',
  '<template><img src=x onerror=__pwned=1></template>',
  '<base href="javascript:/a/-__pwned/"><a href="#">x</a>',
  '<x onclick=__pwned=1 tabindex=1 id=x>x</x>',
  '<img src="x` `<script>__pwned=1</script>"` `>',
];
const TITLE = '<img src=x onerror=__pwned=1>';
const all = VECTORS.join('\n\n');
const one = VECTORS[2];
const step = (key, kind, rest) => ({ key, kind, required: false, title: { fr: `${TITLE} ${key}` }, ...rest });
const HOSTILE = {
  track_type: 'beginner_intro', source_lang: 'fr', cms_block_enabled: true, title: { fr: TITLE }, summary: { fr: all },
  steps: [
    step('read', 'content', { body: { fr: all } }),
    step('leave', 'link', { url: 'https://federation.example/?q=%3Cscript%3E' }),
    step('answer', 'quiz', {
      pass_mark: 100,
      quiz: {
        reveal: 'after_attempt', questions: [
          { key: 'say', kind: 'short_text', points: 1, prompt: { fr: all }, accept: { fr: [TITLE] }, feedback: { fr: all } },
          {
            key: 'choose', kind: 'single_choice', points: 1, prompt: { fr: one }, feedback: { fr: one }, choices: [
              { key: 'a', text: { fr: all }, right: true, feedback: { fr: all } },
              { key: 'b', text: { fr: one }, feedback: { fr: all } },
            ],
          },
        ],
      },
    }),
  ],
};

const story = stories({ demo: () => startStage({ hostile: HOSTILE }) });

/** What in the widget could run something: by its kind, its attributes or its address. */
const alive = (page) => page.locator('jalon-track').first().evaluate((host) =>
  [...host.shadowRoot.querySelectorAll('*')].filter((element) =>
    ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'BASE', 'TEMPLATE', 'STYLE', 'MATH'].includes(element.tagName)
    || element.getAttributeNames().some((name) => name.startsWith('on') || name === 'srcdoc')
    || ['href', 'src', 'action', 'xlink:href'].some((name) => /^\s*(javascript|data|vbscript):/i.test(element.getAttribute(name) ?? '')),
  ).map((element) => element.outerHTML.slice(0, 200)));

story('p5: what authors and learners write never runs in the page', async ({ demo, device }) => {
  const phone = await device();
  // Pictures that are not there are part of it.
  phone.expect(/Failed to load resource/);
  const { page, widget } = await phone.open(demo.page('track=hostile'));
  const sound = async (where) => {
    assert.deepEqual(await alive(page), [], where);
    assert.equal(await page.evaluate(() => globalThis.__pwned), undefined, where);
  };
  await widget.step(1).waitFor();
  await sound('something to read');

  await widget.unfold();
  await widget.line(2).click();
  await widget.step(2).locator('a').first().waitFor();
  await sound('a link');
  assert.ok((await widget.step(2).locator('a').first().innerText()).includes(TITLE), 'a title is text');

  await widget.unfold();
  await widget.line(3).click();
  await widget.hook('question').first().waitFor();
  await sound('questions');
  await widget.host.locator('[data-kind="short_text"] input').fill(VECTORS[1]);
  await widget.host.locator('[data-kind="single_choice"] input').last().check();
  await widget.hook('submit').click();
  await widget.hook('result').waitFor();
  await sound('a result');
});
