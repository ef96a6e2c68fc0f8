// What a page of one's own does while a widget is typed into, and what a test wants to know of it.
// It runs first, so that it misses nothing.

'use strict';

/** How often one of the page's keyboard shortcuts fired. Typing into the widget must not raise it. */
window.__hostKeys = 0;
/** What the page's Content-Security-Policy refused. A good installation leaves it empty. */
window.__cspViolations = [];
/** The widget's events, oldest first: `{type, detail}`. */
window.__jalonEvents = [];

document.addEventListener('securitypolicyviolation', (event) => {
  window.__cspViolations.push({ directive: event.effectiveDirective, blocked: event.blockedURI, source: event.sourceFile });
});

for (const name of ['ready', 'step', 'step-completed', 'quiz-result', 'completed', 'merged', 'login-requested', 'progress', 'sync', 'error']) {
  document.addEventListener(`jalon:${name}`, (event) => window.__jalonEvents.push({ type: event.type, detail: event.detail }));
}

// Shortcuts as CMS themes have them. The usual guard looks at `event.target`: for a field inside a
// shadow root that is the element around it, so the guard lets the key through.
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof Element && event.target.closest('input, textarea, select, [contenteditable]')) return;
  const shortcuts = {
    '/': () => document.getElementById('search')?.focus(),
    j: () => document.getElementById('coaching')?.scrollIntoView(),
    k: () => document.getElementById('content')?.scrollIntoView(),
  };
  const run = shortcuts[event.key];
  if (!run) return;
  window.__hostKeys += 1;
  event.preventDefault();
  run();
});
