// A club umpire from Sweden takes a course whose author wrote French; JALON_PICTURES=1 takes pictures of it, too.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { accessible } from '../support/axe.mjs';
import { DESKTOP, PHONE, TABLET, picture } from '../support/browser.mjs';
import { stories } from '../support/story.mjs';
import { startStage } from '../support/stage.mjs';
import { Widget } from '../support/widget.mjs';

const FILM = readFileSync(join(import.meta.dirname, '../../../examples/content/media/throw.mp4'));

const choice = (n) => ({
  key: `q${n}`, kind: 'single_choice', points: n < 3 ? 3 : 2, prompt: { fr: `Question ${n} ?`, sv: `Fråga ${n}?` },
  choices: [
    { key: 'a', right: true, text: { fr: 'Juste', sv: 'Rätt' } },
    { key: 'b', text: { fr: 'Faux', sv: 'Fel' }, feedback: { fr: 'Regardez encore.', sv: 'Titta igen.' } },
    { key: 'c', text: { fr: 'Faux aussi', sv: 'Också fel' } },
  ],
});
const arbiter = (api) => ({
  category: 'umpiring', difficulty: 'intermediate', source_lang: 'fr',
  title: { fr: 'Arbitre, niveau 2', sv: 'Domare nivå 2' },
  summary: { fr: 'Décider juste, et le dire.', sv: 'Besluta rätt, och säg det så att matchen går vidare.' },
  instructors: [{ key: 'claire', name: 'Claire Dubois', title: { fr: 'Arbitre nationale', sv: 'Nationell domare' } }],
  modules: [
    { key: 'see', title: { fr: 'Voir', sv: 'Att se' }, lessons: [
      { key: 'eye', title: { fr: "L'œil", sv: 'Ögat' }, items: [
        { key: 'film', kind: 'video', title: { fr: 'Une mène', sv: 'En omgång' }, video: { url: `${api}/film.mp4`, duration_seconds: 60 },
          quizzes: [{ key: 'check', title: { fr: 'Vu ?', sv: 'Vad såg du?' }, gate: true, pass_mark: 80, max_attempts: 5, cooldown_seconds: 3,
            shuffle: false, reveal: 'after_pass', questions: [1, 2, 3, 4].map(choice) }] }] }] },
    { key: 'say', title: { fr: 'Dire', sv: 'Att säga' }, lessons: [
      { key: 'words', title: { fr: 'Les mots', sv: 'Orden' }, items: [
        { key: 'read', kind: 'content', title: { fr: 'Ce qui se dit', sv: 'Vad man säger' }, body: { fr: 'Peu de **mots**.' } },
        { key: 'case', kind: 'content', title: { fr: 'Un cas', sv: 'Ett fall' }, body: { fr: 'Un joueur conteste.', sv: 'En spelare **protesterar**.' },
          quizzes: [{ key: 'open', title: { fr: 'Et vous ?', sv: 'Och du?' }, cooldown_seconds: 0, reveal: 'never', questions: [
            { key: 'say', kind: 'open_ended', points: 4, prompt: { fr: 'Que dites-vous ?', sv: 'Vad säger du?' } }] }] }] }] }],
});
const youth = {
  category: 'coaching', difficulty: 'beginner', source_lang: 'fr', title: { fr: 'Entraîner les jeunes' }, summary: { fr: 'Des jeux, pas des discours.' },
  instructors: [], modules: [{ key: 'm', title: { fr: 'Séances' }, lessons: [{ key: 'l', title: { fr: 'Une séance' }, items: [
    { key: 'i', kind: 'content', title: { fr: 'Commencer' }, body: { fr: 'Par un jeu.' } }] }] }],
};

const yes = (key, points) => ({
  key, kind: 'true_false', points, prompt: { fr: 'Vrai ?', sv: 'Är det sant?' }, right: true,
  hints: [{ fr: 'Pensez-y.', sv: 'Tänk **efter**.' }, { fr: 'Oui.', sv: 'Ja.' }],
});
/** Two lessons; the first has a gate, and something mandatory behind it. */
const taste = {
  category: 'rules', difficulty: 'beginner', source_lang: 'fr', title: { fr: 'Mesurer', sv: 'Att mäta' }, summary: { fr: '', sv: '' }, instructors: [],
  modules: [{ key: 'm', title: { fr: 'Avec quoi', sv: 'Med vad' }, lessons: [
    { key: 'before', title: { fr: 'Avant', sv: 'Före' }, items: [
      { key: 'i', kind: 'content', title: { fr: 'Le but', sv: 'Lillen' }, body: { fr: 'Petit.', sv: 'Liten.' }, quizzes: [
        { key: 'gate', title: { fr: 'Vu ?', sv: 'Sett?' }, gate: true, pass_mark: 100, questions: [yes('q', 1)] }] }] },
    { key: 'tape', title: { fr: 'Le mètre', sv: 'Måttbandet' }, items: [
      { key: 'hold', kind: 'content', title: { fr: 'Le tenir', sv: 'Hålla det' }, body: { fr: 'Droit.', sv: 'Rakt.' }, quizzes: [
        { key: 'gate', title: { fr: 'Tenu ?', sv: 'Höll du det?' }, gate: true, pass_mark: 100, cooldown_seconds: 0, questions: [yes('q', 1)] }] },
      { key: 'read', kind: 'content', title: { fr: 'Le lire', sv: 'Läsa av det' }, body: { fr: 'Au millimètre.', sv: 'På millimetern.' },
        shortcodes: ['self_check_info', 'next_steps', 'course_certificate', 'peers_online', 'peers_offline', 'course_evaluation'], quizzes: [
          { key: 'check', title: { fr: 'Lu ?', sv: 'Läste du?' }, questions: [yes('q', 2)] }] }] }] }],
};
const read = (key, sv) => ({ key, kind: 'content', required: true, title: { fr: sv, sv }, body: { fr: 'Voilà.', sv: 'Så är det.' } });
const way = {
  track_type: 'umpire_l1_prep', source_lang: 'fr', cms_block_enabled: true, title: { fr: 'Pour voir', sv: 'Prova på' }, summary: { fr: '' },
  steps: [read('why', 'Varför'), { key: 'lesson', kind: 'lesson', required: true, title: { fr: 'Une leçon', sv: 'En lektion' },
    lesson: { course: 'measuring', lesson: 'tape' } }, read('now', 'Och nu?')],
};

async function start() {
  const stage = await startStage({});
  for (const [slug, source] of [['arbiter-level-2', arbiter('https://media.example')], ['youth-coaching', youth]]) {
    await stage.admin('PUT', `/courses/${slug}`, source);
    await stage.admin('POST', `/courses/${slug}/publish`);
  }
  return stage;
}

/** A course that only the stories below know, and a track with a lesson of it. */
async function measuring(stage) {
  await stage.admin('PUT', '/courses/measuring', taste);
  await stage.admin('POST', '/courses/measuring/publish');
  await stage.publish('taste', way);
}
const story = stories({ demo: start });

/** A page of the federation, in Swedish, with this element in it and this member logged in. */
async function open(learner, stage, element, token) {
  const page = await learner.context.newPage();
  // By parts, as who moves about in a film asks for it.
  await page.route('https://media.example/**', (route) => {
    const from = Number(/bytes=(\d+)/.exec(route.request().headers().range)?.[1] ?? 0);
    return route.fulfill({
      status: 206, body: FILM.subarray(from), headers: {
        'content-type': 'video/mp4', 'access-control-allow-origin': '*', 'accept-ranges': 'bytes',
        'content-range': `bytes ${from}-${FILM.length - 1}/${FILM.length}`,
      },
    });
  });
  stage.own = `<!doctype html><html lang="sv"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Förbundet</title><link rel="icon" href="data:,"><style>body { margin: 1rem; }</style><script async src="${stage.api}/embed/v1/jalon.js"></script></head>
<body><h1>Förbundet</h1><${element} loading="eager" site="fpsf"></${element.split(' ')[0]}></body></html>`;
  await page.goto(`${stage.origin}/own`);
  const widget = new Widget(page, element.split(' ')[0]);
  if (token) {
    await page.waitForFunction((name) => customElements.get(name), element.split(' ')[0]);
    await widget.host.evaluate((host, said) => host.identify(said), token);
  }
  return { page, widget };
}

/** Answers the quiz that is shown: these questions right, the others wrong. */
async function answer(widget, right) {
  const questions = widget.hook('question');
  await questions.first().waitFor();
  for (let n = 1; n <= 4; n += 1) {
    const question = questions.filter({ hasText: `Fråga ${n}?` });
    await question.getByText(right.includes(n) ? 'Rätt' : 'Fel', { exact: true }).click();
  }
  await widget.hook('submit').click();
  await widget.hook('result').waitFor();
}

/** The same on a phone, a tablet and a desktop, for people to look at; they take their time. */
async function pictures(page, name) {
  if (!process.env.JALON_PICTURES) return;
  for (const [size, viewport] of Object.entries({ phone: PHONE, tablet: TABLET, desktop: DESKTOP })) {
    await page.setViewportSize(viewport);
    await picture(page, `${name}-${size}`);
  }
}

story('an umpire chooses a course, fails, waits, passes, and a grader reads the rest', async ({ demo, device }) => {
  const token = await demo.member('umpire-1');
  const tablet = await device({ viewport: TABLET, isMobile: false, locale: 'sv-SE' });
  tablet.expect(/409/);
  const { page, widget } = await open(tablet, demo, 'jalon-catalog', token);

  // The catalogue, by what it is about and by words.
  await widget.hook('course').nth(1).waitFor();
  for (const [filter, value] of [['category', 'umpiring'], ['difficulty', 'intermediate'], ['language', 'sv']]) {
    await widget.hook(filter).selectOption(value);
    await widget.hook('course').nth(1).waitFor({ state: 'detached' });
    await widget.host.locator('[data-course="arbiter-level-2"]').waitFor();
    await widget.hook(filter).selectOption('');
    await widget.hook('course').nth(1).waitFor();
  }
  await widget.hook('search').fill('domare NIVA');
  await widget.host.locator('[data-course="arbiter-level-2"]').waitFor();
  assert.equal(await widget.hook('course').count(), 1);
  await widget.hook('search').fill('');
  await accessible(page, 'jalon-catalog');
  await pictures(page, 'catalog');
  await widget.host.locator('[data-course="arbiter-level-2"]').locator('[data-jalon="choose"]').click();

  // From outside it shows what it is; then it is taken.
  await widget.hook('enroll').waitFor();
  assert.match(await widget.hook('entrance').innerText(), /Besluta rätt[^]*Claire Dubois[^]*Nationell domare/);
  await accessible(page, 'jalon-catalog');
  await pictures(page, 'entrance');
  await widget.hook('enroll').click();
  await widget.step(1).waitFor();
  await widget.unfold();
  await widget.host.locator('[data-jalon="step-link"][data-order="1"][data-state="in_progress"]').waitFor();
  assert.deepEqual(await widget.states(), ['in_progress', 'locked', 'locked']);

  // The film, to half a minute; a phone goes on there.
  await widget.host.locator('video').evaluate(async (video) => {
    if (!video.readyState) await new Promise((done) => video.addEventListener('loadedmetadata', done, { once: true }));
    video.currentTime = 30;
  });
  await widget.saved();
  const phone = await device({ locale: 'sv-SE' });
  for (const deadline = Date.now() + 20_000; ;) {
    const sent = demo.log.filter(({ method, status }) => method === 'PATCH' && status === 200).length;
    if (sent || Date.now() > deadline) break;
    await new Promise((later) => setTimeout(later, 50));
  }
  const other = await open(phone, demo, 'jalon-course course="arbiter-level-2"', token);
  await other.widget.hook('resume').waitFor();
  assert.match(await other.widget.hook('resume').innerText(), /0:30/);

  // Five of ten: not enough. What follows stays shut, for the interface and for the data.
  await page.setViewportSize(TABLET);
  await answer(widget, [1, 3]);
  assert.equal(await widget.hook('result').getAttribute('data-passed'), 'false');
  assert.match(await widget.hook('result').innerText(), /5 av 10/);
  assert.match(await widget.hook('verdict').nth(1).innerText(), /Titta igen/);
  assert.deepEqual((await widget.states()).slice(1), ['locked', 'locked']);
  await accessible(page, 'jalon-catalog');
  await pictures(page, 'failed');
  await page.setViewportSize(TABLET);

  // After the cooldown eight of ten, and lesson two opens.
  await widget.hook('retry').click();
  await answer(widget, [1, 2, 3]);
  assert.equal(await widget.hook('result').getAttribute('data-passed'), 'true');
  await widget.host.locator('[data-jalon="step-link"][data-order="2"][data-state="open"]').waitFor();
  await pictures(page, 'passed');
  await page.setViewportSize(TABLET);
  await widget.hook('next').click();
  await widget.step(2).waitFor();
  await widget.hook('lang-fallback').first().waitFor();
  await widget.host.locator('[data-jalon="step-link"][data-order="2"][data-state="completed"]').waitFor();
  await widget.hook('next').click();

  // An open answer waits for a grader: eight points are sure, four are possible.
  await widget.step(3).waitFor();
  await widget.hook('question').locator('textarea').fill('Jag har sett, och så här står det i regeln.');
  await widget.hook('submit').click();
  await widget.hook('result').waitFor();
  await widget.saved();
  const points = widget.host.locator('header').locator('[data-jalon="points"]');
  assert.match(await points.innerText(), /8 av 14[^]*4/);
  await accessible(page, 'jalon-catalog');
  await pictures(page, 'waiting');

  // A grader reads it, gives three points and says why; the phone shows both.
  const grader = await demo.member('grader-1', 'grader');
  const [waiting] = (await demo.admin('GET', '/open-answers', undefined, grader)).items;
  await demo.admin('POST', `/open-answers/${waiting.id}/accept`, { points: 3, comment: 'Säg också vem som mäter.' }, grader);
  const graded = await open(phone, demo, 'jalon-course course="arbiter-level-2"', token);
  await graded.widget.ready();
  await graded.widget.unfold();
  await graded.widget.line(3).click();
  await graded.widget.hook('comment').waitFor();
  assert.match(await graded.widget.hook('open-answer').innerText(), /Godkänt[^]*Säg också vem som mäter[^]*3 av 4/);
  assert.match(await graded.widget.host.locator('header').locator('[data-jalon="points"]').innerText(), /^11 av 14\s*poäng$/);
  await accessible(graded.page, 'jalon-course');
  await pictures(graded.page, 'graded');

  // The same member's dashboard, on the phone.
  const dash = await open(phone, demo, 'jalon-progress', token);
  await dash.widget.host.locator('section[data-jalon="completed"] [data-course="arbiter-level-2"]').waitFor();
  assert.match(await dash.widget.hook('points').first().innerText(), /11 av 14/);
  await accessible(dash.page, 'jalon-progress');
  await pictures(dash.page, 'progress');
});

story('what is answered without a network is kept, and counts once', async ({ demo, device }) => {
  const token = await demo.member('umpire-2');
  const phone = await device({ locale: 'sv-SE' });
  const { page, widget } = await open(phone, demo, 'jalon-catalog', token);
  // By keyboard: what is chosen takes the place of the list, and the focus goes there.
  await widget.host.locator('[data-course="arbiter-level-2"] [data-jalon="choose"]').press('Enter');
  await widget.hook('enroll').waitFor();
  await page.waitForFunction(() => document.querySelector('jalon-catalog').shadowRoot.activeElement?.id === 'jalon-title');
  await widget.hook('enroll').press('Enter');
  await widget.hook('question').first().waitFor();
  await widget.saved();
  demo.clear();
  await phone.offline(true);
  for (const n of [1, 2, 3, 4]) await widget.hook('question').filter({ hasText: `Fråga ${n}?` }).getByText('Rätt', { exact: true }).click();
  await widget.hook('submit').click();
  await widget.host.locator('[data-jalon="grading"][data-state="queued"]').waitFor();
  await phone.offline(false);
  await widget.hook('result').waitFor();
  assert.equal(await widget.hook('result').getAttribute('data-passed'), 'true');
  const sent = demo.log.filter(({ path, status }) => path.endsWith('/answers') && status === 200);
  assert.equal(sent.length, 1);
  // Back in the list it is told how far it is.
  await widget.hook('home').click();
  await widget.host.locator('[data-course="arbiter-level-2"] progress').waitFor();
});

story('a guest looks at courses, and is asked in', async ({ demo, device }) => {
  const phone = await device({ locale: 'sv-SE' });
  const { page, widget } = await open(phone, demo, 'jalon-course course="arbiter-level-2"');
  await widget.hook('invitation').waitFor();
  await accessible(page, 'jalon-course');
  await pictures(page, 'invitation');
  await page.setViewportSize(PHONE);
  await widget.hook('invitation').locator('[data-jalon="login"]').click();
  assert.equal((await widget.hear('login-requested')).length, 1);
  const dash = await open(phone, demo, 'jalon-progress');
  await dash.widget.hook('guest').waitFor();
  assert.equal(demo.log.filter(({ path }) => path.endsWith('/guests')).length, 0, 'looking makes no guest');
});

story('a dashboard beside a course tells at once what was done there', async ({ demo, device }) => {
  const token = await demo.member('umpire-3');
  const desk = await device({ viewport: DESKTOP, isMobile: false, locale: 'sv-SE' });
  const { page, widget } = await open(desk, demo, 'jalon-course course="arbiter-level-2"', token);
  // The dashboard comes later, as a page puts it there, and knows who learns.
  await widget.hook('enroll').waitFor();
  await page.evaluate((said) => {
    const board = document.createElement('jalon-progress');
    board.setAttribute('site', 'fpsf');
    board.setAttribute('loading', 'eager');
    document.body.prepend(board);
    board.identify(said);
  }, token);
  const board = new Widget(page, 'jalon-progress');
  const of = (group) => board.host.locator(`section[data-jalon="${group}"] [data-course="arbiter-level-2"]`);
  await board.host.locator('ul.figures').waitFor();
  assert.equal(await board.hook('course').count(), 0);
  // Taken: it stands among what was begun. Answered: its points stand there.
  await widget.hook('enroll').click();
  await of('started').waitFor();
  demo.clear();
  await answer(widget, [1, 2, 3, 4]);
  await of('in_progress').getByText('10 av 14').waitFor();
  // What courses there are is not asked again for it.
  assert.equal(demo.log.filter(({ path }) => path.endsWith('/fpsf/courses')).length, 0);
  // Opened, and answered to the end: complete.
  await widget.hook('next').click();
  await widget.step(2).waitFor();
  await widget.hook('next').click();
  await widget.hook('question').locator('textarea').fill('Jag har sett det.');
  await widget.hook('submit').click();
  await of('completed').waitFor();
});

story('a guest does a lesson of a course in a track; after the login the course has it', async ({ demo, device }) => {
  await measuring(demo);
  const phone = await device({ locale: 'sv-SE' });
  const element = 'jalon-track track="taste"';
  const { page, widget } = await open(phone, demo, element);
  const say = async (right) => {
    await widget.hook('question').getByText(right ? 'Sant' : 'Falskt', { exact: true }).click();
    await widget.hook('submit').click();
    await widget.hook('result').waitFor();
  };
  await widget.ready();
  await widget.next(2);
  // What it is, and the way in: nothing else completes it.
  await widget.hook('lesson-step').waitFor();
  assert.match(await widget.hook('lesson-step').innerText(), /Måttbandet[^]*2/);
  assert.equal(await widget.hook('next').count(), 0);
  await accessible(page, 'jalon-track');
  await pictures(page, 'lesson-step');
  await page.setViewportSize(PHONE);
  await widget.hook('enter').click();

  // In the lesson: its gate holds, what stands before it in the course does not.
  await widget.hook('question').waitFor();
  assert.match(await widget.host.locator('header').innerText(), /Prova på[^]*Måttbandet/);
  await widget.unfold();
  assert.deepEqual((await widget.states())[1], 'locked');
  // One hint after the other, by keyboard.
  await widget.hook('hint').first().locator('summary').first().press('Enter');
  assert.match(await widget.hook('hint').first().innerText(), /Tänk efter/);
  await widget.hook('hint').nth(1).locator('summary').press('Enter');
  assert.match(await widget.hook('hint').nth(1).innerText(), /Ja/);
  await accessible(page, 'jalon-track');
  await say(false);
  assert.equal(await widget.hook('result').getAttribute('data-passed'), 'false');
  await widget.hook('retry').click();
  await say(true);
  await widget.hook('next').click();
  await widget.step(2).waitFor();
  await widget.saved();
  await pictures(page, 'lesson');
  await page.close();

  // Closed in the middle: what was begun is gone on with.
  const again = await open(phone, demo, element);
  const back = again.widget;
  await back.hook('enter').waitFor();
  assert.equal(await back.hook('enter').innerText(), 'Fortsätt');
  await back.hook('enter').click();
  await back.hook('question').waitFor();
  assert.equal(await back.hook('step').getAttribute('data-order'), '2');
  // Of the course nothing is said that a guest in a lesson has nothing of.
  await back.hook('self_check_info').waitFor();
  assert.equal(await back.hook('course_certificate').count(), 0);
  // Without a network: kept, and sent later; it completes the step, which the track then shows.
  await back.saved();
  await phone.offline(true);
  await back.hook('question').getByText('Sant', { exact: true }).click();
  await back.hook('submit').click();
  await back.host.locator('[data-jalon="grading"][data-state="queued"]').waitFor();
  await phone.offline(false);
  await back.hook('result').waitFor();
  await pictures(again.page, 'lesson-done');
  await again.page.setViewportSize(PHONE);
  await back.hook('next').click();
  await back.step(3).waitFor();
  await back.saved();
  await back.unfold();
  assert.deepEqual((await back.states()).slice(0, 2), ['completed', 'completed']);
  const told = await back.hear('step-completed', 2);
  assert.ok(told.some(({ track, order }) => track === 'taste' && order === 2), JSON.stringify(told));
  await back.line(3).click();
  await back.hook('next').click();
  await back.hook('completion').waitFor();
  await back.saved();

  // Logged in: merged, and done in the course.
  const token = await demo.member('guest-no-more');
  await back.host.evaluate((host, said) => host.identify(said), token);
  await back.hook('merge-accept').click();
  await back.hook('receipt').waitFor();
  await back.hook('completion').waitFor();
  const { widget: course } = await open(phone, demo, 'jalon-course course="measuring"', token);
  await course.ready();
  await course.unfold();
  await course.host.locator('[data-jalon="step-link"][data-order="3"][data-state="completed"]').waitFor();
  assert.deepEqual((await course.states()).slice(1), ['completed', 'completed']);
  await course.line(3).click();
  // Here it is the course's, and the learner says what it is worth.
  await course.hook('course_certificate').waitFor();
  await course.hook('peers_offline').waitFor();
  await course.hook('course_evaluation').getByText('mycket bra', { exact: true }).click();
  await course.hook('course_evaluation').locator('textarea').fill('Kort och bra.');
  await course.hook('evaluate').click();
  await course.hook('thanks').waitFor();
  await accessible(course.page, 'jalon-course');
  await pictures(course.page, 'shortcodes');
  await course.page.reload();
  const after = new Widget(course.page, 'jalon-course');
  await course.page.waitForFunction(() => customElements.get('jalon-course'));
  await after.host.evaluate((host, said) => host.identify(said), token);
  await after.ready();
  await after.unfold();
  await after.line(3).click();
  assert.equal(await after.hook('course_evaluation').locator('textarea').inputValue(), 'Kort och bra.');
});

story('a course reads from right to left, moves nothing for who wants no motion, and fits a narrow phone', async ({ demo, device }) => {
  await measuring(demo);
  const token = await demo.member('umpire-4');
  const desk = await device({ viewport: DESKTOP, isMobile: false, locale: 'ar', reducedMotion: 'reduce' });
  const { page, widget } = await open(desk, demo, 'jalon-course course="measuring" lang="ar"', token);
  await widget.hook('enroll').click();
  await widget.hook('question').waitFor();
  const box = (locator) => locator.boundingBox();
  // The outline stands on the right, its locks and ticks before its words; what is French stays left to right.
  const [outline, stage] = [await box(widget.hook('step-list')), await box(widget.hook('step'))];
  assert.ok(outline.x > stage.x + stage.width / 2, JSON.stringify([outline, stage]));
  assert.equal(await widget.host.locator('#jalon-heading').getAttribute('dir'), 'ltr');
  assert.equal(await widget.host.locator('[part="root"]').getAttribute('dir'), 'rtl');
  await widget.hook('question').locator('label').nth(1).click();
  await widget.hook('submit').click();
  await widget.hook('result').waitFor();
  const moves = (locator) => locator.evaluate((element) => {
    const { animationName, transitionDuration } = getComputedStyle(element);
    return animationName !== 'none' || parseFloat(transitionDuration) > 0;
  });
  assert.deepEqual([await moves(widget.hook('result')), await moves(widget.hook('retry'))], [false, false]);
  await accessible(page, 'jalon-course');
  await pictures(page, 'rtl');
  await page.setViewportSize({ width: 360, height: 740 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out');
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  assert.deepEqual([await moves(widget.hook('result')), await moves(widget.hook('retry'))], [true, true]);
});

story('an article names its source, also while that does not answer', async ({ demo, device }) => {
  await measuring(demo);
  const token = await demo.member('umpire-5');
  const phone = await device({ locale: 'sv-SE' });
  const say = (value) => ({ value, lang: 'fr', fallback: true });
  let content = say('<p>La boule est <strong>ronde</strong>.</p>');
  // As the server answers for a provider's article: the stage has none.
  await phone.context.route('**/items/*', async (route) => {
    if (route.request().method() !== 'GET') return route.fallback();
    const answer = await route.fetch();
    const { content: _, ...item } = await answer.json();
    const article = { provider: 'magazine', title: null, content, url: 'https://magazine.example/ronde' };
    return route.fulfill({ response: answer, json: { ...item, article } });
  });
  const { page, widget } = await open(phone, demo, 'jalon-course course="measuring"', token);
  await widget.hook('enroll').click();
  await widget.host.getByText('La boule est ronde.').waitFor();
  const source = widget.hook('source');
  assert.match(await source.innerText(), /magazine/);
  assert.equal(await source.getAttribute('href'), 'https://magazine.example/ronde');
  await accessible(page, 'jalon-course');
  content = null;
  const { widget: later } = await open(phone, demo, 'jalon-course course="measuring"', token);
  await later.host.getByText('Texten kan inte hämtas just nu').waitFor();
  await later.hook('source').waitFor();
});

story('a lesson that a track opened is open in the course, as far as its own gate', async ({ demo, device }) => {
  await measuring(demo);
  const token = await demo.member('umpire-6');
  const phone = await device({ locale: 'sv-SE' });
  const { widget } = await open(phone, demo, 'jalon-track track="taste"', token);
  await widget.ready();
  await widget.next(2);
  await widget.hook('enter').click();
  await widget.hook('question').waitFor();
  await widget.saved();
  // Back by the link above: nothing is complete yet.
  await widget.hook('home').click();
  await widget.hook('enter').waitFor();
  assert.equal(await widget.hook('enter').innerText(), 'Fortsätt');
  const { widget: course } = await open(phone, demo, 'jalon-course course="measuring"', token);
  await course.ready();
  await course.unfold();
  await course.host.locator('[data-jalon="step-link"][data-order="2"][data-state="in_progress"]').waitFor();
  assert.equal((await course.states())[2], 'locked');
  await course.line(2).click();
  await course.step(2).waitFor();
  await course.hook('question').waitFor();
});
