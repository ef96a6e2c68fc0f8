// What a federation might build for its graders and coaches on Jalon's API. What learners typed goes in as text.

'use strict';

const { api, site } = document.currentScript.dataset;
const COHORT = 'lyon';
const byId = (id) => document.getElementById(id);
let token = null;

async function signIn() {
  const response = await fetch('/cms/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'u-90', name: 'Chantal Mercier', roles: ['grader', 'coach'], cohorts: [COHORT] }),
  });
  if (!response.ok) throw new Error('The login does not answer.');
  ({ token } = await response.json());
}

/** Asks the API; what it refuses, it says in words. */
async function ask(path, body) {
  const response = await fetch(`${api}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  if (response.headers.get('content-type')?.startsWith('text/csv')) return response.text();
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.errors?.[0]?.detail ?? answer.detail ?? answer.title);
  return answer;
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Authors' texts come as HTML that the server cleaned. */
function authored(tag, text) {
  const made = element(tag);
  made.lang = text.lang ?? '';
  made.innerHTML = text.value ?? '';
  return made;
}

function labelled(text, field) {
  const label = element('label', text);
  label.append(field);
  return label;
}

function card(answer) {
  const form = element('form', undefined, 'card');
  form.append(element('p', `${answer.course_title.value} · ${answer.lesson_title.value} · ${answer.user_id}, attempt ${answer.attempt}`, 'quiet'));
  form.append(authored('h3', answer.prompt), element('blockquote', answer.answer));
  if (answer.guidance) {
    const guidance = element('details');
    guidance.append(element('summary', 'What to look for'), authored('div', answer.guidance));
    form.append(guidance);
  }
  const points = Object.assign(element('input'), { type: 'number', min: 0.5, max: answer.points_total, step: 0.5, value: answer.points_total, name: 'points' });
  const comment = Object.assign(element('textarea'), { rows: 2, maxLength: 4000, name: 'comment' });
  form.append(labelled(`Points, of ${answer.points_total}`, points), labelled('What the learner reads', comment));
  const accept = element('button', 'Accept');
  const reject = Object.assign(element('button', 'Reject'), { type: 'button' });
  form.append(accept, ' ', reject);
  const path = `/admin/sites/${site}/open-answers/${answer.id}`;
  form.addEventListener('focusin', () => ask(`${path}/claim`, {}).catch(say), { once: true });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    grade(`${path}/accept`, { points: Number(points.value), comment: comment.value });
  });
  reject.addEventListener('click', () => grade(`${path}/reject`, { reason: comment.value }));
  return form;
}

function say(what) {
  byId('status').textContent = what instanceof Error ? what.message : what;
}

async function grade(path, body) {
  try {
    await ask(path, body);
    say('Graded. The learner sees it now.');
    await show();
  } catch (error) {
    say(error);
  }
}

let shown = '';
async function show() {
  const { items } = await ask(`/admin/sites/${site}/open-answers?lang=en`);
  byId('empty').hidden = items.length > 0;
  // What is being typed stays, while nothing else came.
  const ids = items.map((answer) => answer.id).join();
  if (ids !== shown) byId('queue').replaceChildren(...items.map(card));
  shown = ids;

  const { courses } = await ask(`/sites/${site}/me/cohorts/${COHORT}?lang=en`);
  byId('cohort').hidden = courses.length === 0;
  byId('cohort-empty').hidden = courses.length > 0;
  byId('cohort').tBodies[0].replaceChildren(...courses.map((of) => {
    const row = element('tr');
    const cells = [of.enrolled, of.started, of.in_progress, of.completed, of.awaiting_grading, of.mean_score == null ? '–' : `${of.mean_score} %`];
    row.append(Object.assign(element('th', of.title?.value ?? of.course), { scope: 'row' }), ...cells.map((cell) => element('td', cell)));
    return row;
  }));
}

byId('table').addEventListener('click', async () => {
  try {
    const text = await ask(`/sites/${site}/me/cohorts/${COHORT}/learners.csv`);
    const link = Object.assign(element('a'), { href: URL.createObjectURL(new Blob([text], { type: 'text/csv' })), download: 'learners.csv' });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  } catch (error) {
    say(error);
  }
});

async function keepUp() {
  try {
    if (!token) await signIn();
    if (!document.hidden) await show();
  } catch (error) {
    say(error);
  }
  setTimeout(keepUp, 3000);
}
keepUp();
