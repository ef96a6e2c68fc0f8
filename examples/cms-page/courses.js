// The federation's own script on its page of courses: its login and its language switch.

'use strict';

const byId = (id) => document.getElementById(id);
const widgets = () => document.querySelectorAll('jalon-catalog, jalon-course, jalon-progress, jalon-track');
const SESSION = 'cms-member';

async function identify(token) {
  await customElements.whenDefined('jalon-catalog');
  for (const widget of widgets()) widget.identify(token);
}

/** The federation's login signs a short-lived token that says who this is, and in which cohort they learn. */
async function signIn({ user, name }) {
  const response = await fetch('/cms/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user, name, cohorts: ['lyon'] }),
  });
  if (!response.ok) throw new Error(`login answered ${response.status}`);
  const { token } = await response.json();
  remember({ user, name });
  await identify(token);
}

function remember(member) {
  try {
    if (member) sessionStorage.setItem(SESSION, JSON.stringify(member));
    else sessionStorage.removeItem(SESSION);
  } catch {
    // A browser that keeps nothing forgets the login at the next page: no harm.
  }
  byId('login-button').hidden = Boolean(member);
  byId('logout-button').hidden = !member;
  byId('member').disabled = Boolean(member);
  byId('member-status').textContent = member ? `${member.name} is logged in.` : '';
}

byId('login').addEventListener('submit', (event) => {
  event.preventDefault();
  const choice = byId('member').selectedOptions[0];
  signIn({ user: choice.value, name: choice.textContent }).catch(() => {
    byId('member-status').textContent = "That didn't work. Please try again.";
  });
});

byId('logout-button').addEventListener('click', () => {
  remember(null);
  identify(null);
});

byId('language').addEventListener('change', (event) => {
  for (const widget of widgets()) widget.setAttribute('lang', event.target.value);
});

// A course asks for a login before it lets somebody enroll; this page has one of its own to show.
document.addEventListener('jalon:login-requested', (event) => {
  event.preventDefault();
  byId('member').scrollIntoView({ block: 'center' });
  byId('login-button').focus({ preventScroll: true });
  byId('member-status').textContent = 'Choose a member and log in: courses are for members.';
});

let before = null;
try {
  before = JSON.parse(sessionStorage.getItem(SESSION));
} catch {
  // Nothing is remembered here.
}
if (before) {
  byId('member').value = before.user;
  signIn(before).catch(() => remember(null));
}
