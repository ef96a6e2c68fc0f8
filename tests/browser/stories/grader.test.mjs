// What waits for a person: a member answers an open question, a grader reads it, the coach sees how it goes.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import { DESKTOP, picture } from '../support/browser.mjs';
import { stories } from '../support/story.mjs';

const story = stories();

/** A member's calls to the API, as another client might make them. */
async function member(demo, user, name) {
  const login = await fetch(`${demo.cms}/cms/login`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user, name, cohorts: ['lyon'] }),
  });
  const { token } = await login.json();
  return async (method, path, body) => {
    const response = await fetch(`${demo.api}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json', 'idempotency-key': randomUUID() }) },
      body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`);
    return answer;
  };
}

/** A course that asks one open question, written and published with the key that the demo shows. */
async function writeCourse(demo) {
  const [key] = /jk_[\w-]+/.exec(demo.printed()) ?? [];
  assert.ok(key, `the demo shows a key:\n${demo.printed()}`);
  const question = { key: 'say', kind: 'open_ended', points: 4, prompt: { en: 'What do you say?' }, guidance: { en: 'Both **teams** hear it.' } };
  const course = {
    category: 'umpiring', difficulty: 'beginner', source_lang: 'en', title: { en: 'One question' }, summary: { en: 'For a grader.' },
    modules: [{ key: 'm', title: { en: 'Say' }, lessons: [{ key: 'l', title: { en: 'Words' }, items: [
      { key: 'i', kind: 'content', title: { en: 'A case' }, body: { en: 'A player protests.' },
        quizzes: [{ key: 'q', title: { en: 'And you?' }, questions: [question] }] }] }] }],
  };
  for (const [method, path, body] of [['PUT', '', course], ['POST', '/publish', {}]]) {
    const answer = await fetch(`${demo.api}/api/v1/admin/sites/fpsf/courses/one-question${path}`, {
      method, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: JSON.stringify(body),
    });
    assert.ok(answer.ok, await answer.text());
  }
}

story('a grader accepts an answer with points and a comment, and its learner reads them', async ({ demo, device }) => {
  await writeCourse(demo);
  const ask = await member(demo, 'u-44', 'Zofia Nowicka');
  const { id } = await ask('POST', '/sites/fpsf/courses/one-question/enrollments', {});
  const { modules: [{ lessons: [{ items: [item] }] }] } = await ask('GET', '/sites/fpsf/courses/one-question');
  const path = `/course-enrollments/${id}/items/${item.id}`;
  const { quizzes: [quiz] } = await ask('GET', path);
  const [question] = quiz.questions;
  await ask('POST', `${path}/visit`, {});
  const typed = 'I look from straight above, <b>then</b> I speak.';
  await ask('POST', `${path}/quizzes/${quiz.quiz_id}/answers`, { attempt: quiz.attempt, answers: [{ question_id: question.id, text: typed }] });

  const desk = await device({ viewport: DESKTOP, isMobile: false });
  // A reason is asked for, as a problem document: the browser notes its status.
  desk.expect(/422/);
  const page = await desk.context.newPage();
  await page.goto(demo.page('grading.html'));
  const card = page.locator('.card').filter({ hasText: 'u-44' });
  await card.waitFor();
  assert.equal(await card.locator('blockquote').innerText(), typed, 'what was typed is text');
  await page.locator('#cohort tbody tr').first().waitFor();
  await picture(page, 'grading');

  // A reason is asked for before anything is refused; what is typed stays.
  await card.locator('[name="points"]').fill('0.5');
  await card.getByRole('button', { name: 'Reject' }).click();
  await page.locator('#status').filter({ hasText: /learner reads/ }).waitFor();
  await card.locator('[name="comment"]').fill('Say too who is told.');
  await card.getByRole('button', { name: 'Accept' }).click();
  await page.locator('#status').filter({ hasText: /Graded/ }).waitFor();
  await card.waitFor({ state: 'detached' });

  const [own] = (await ask('GET', path)).open_answers;
  assert.deepEqual([own.state, own.points, own.comment], ['accepted', 0.5, 'Say too who is told.']);
});

story("the demo's page of courses shows what there is, and asks who comes to log in", async ({ demo, device }) => {
  const phone = await device();
  const page = await phone.context.newPage();
  await page.goto(demo.page('courses.html'));
  const courses = page.locator('jalon-catalog').locator('[data-course]');
  await courses.nth(2).waitFor();
  await page.locator('#language').selectOption('sv');
  await page.locator('jalon-catalog').getByText(/Domare/).first().waitFor();
  await picture(page, 'courses-guest');
  await page.locator('#login-button').click();
  await page.locator('#member-status').filter({ hasText: /Jonas/ }).waitFor();
  // Nothing was begun: it says so.
  await page.locator('jalon-progress').locator('.panel').first().waitFor();
  await picture(page, 'courses-member');
});
