// A single-page application: pages are drawn by a script, addresses change without a load, and the
// element is made, moved, taken away and put back while it runs.

'use strict';

const byId = (id) => document.getElementById(id);

const VIEWS = {
  home: { title: 'Home', intro: 'No track on this page: go to another one, and come back.' },
  beginners: { title: 'Beginners', intro: 'The track is made by a script after the page was there.', track: 'beginner-intro' },
  umpires: { title: 'Umpires', intro: 'Another view, another track, the same script.', track: 'umpire-l1-prep' },
};

let element = null;

function make(track) {
  const made = document.createElement('jalon-track');
  made.setAttribute('site', document.body.dataset.site);
  made.setAttribute('track', track);
  made.setAttribute('loading', 'eager');
  const fallback = document.createElement('a');
  fallback.href = `${document.body.dataset.api}/t/${document.body.dataset.site}/${track}`;
  fallback.textContent = 'Open this track';
  made.append(fallback);
  return made;
}

function show(name) {
  const view = VIEWS[name] ?? VIEWS.home;
  byId('heading').textContent = view.title;
  byId('intro').textContent = view.intro;
  byId('tools').hidden = !view.track;
  document.title = `${view.title} · A single-page application`;
  for (const link of document.querySelectorAll('[data-view]')) {
    if (link.dataset.view === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  element?.remove();
  element = view.track ? make(view.track) : null;
  if (element) byId('upper').append(element);
}

const asked = () => new URLSearchParams(location.search).get('view') ?? 'home';

document.querySelector('nav').addEventListener('click', (event) => {
  const link = event.target.closest('[data-view]');
  if (!link || event.metaKey || event.ctrlKey) return;
  event.preventDefault();
  history.pushState(null, '', link.href);
  show(link.dataset.view);
  byId('heading').focus();
});
addEventListener('popstate', () => show(asked()));

byId('move').addEventListener('click', () => {
  if (!element?.isConnected) return;
  byId(element.parentElement.id === 'upper' ? 'lower' : 'upper').append(element);
});
byId('remove').addEventListener('click', () => element?.remove());
byId('add').addEventListener('click', () => element && byId('upper').append(element));
byId('swap').addEventListener('click', () => {
  const tracks = ['beginner-intro', 'umpire-l1-prep', 'returning-refresher'];
  const now = tracks.indexOf(element?.getAttribute('track'));
  element?.setAttribute('track', tracks[(now + 1) % tracks.length]);
});

show(asked());
