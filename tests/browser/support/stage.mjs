// A backend on a database file, weather in front of it, and a page: what a bad day is made of.
// The page and the widget only know the weather's address; what the server really holds is asked behind it.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { freePort } from './demo.mjs';

const SITE = 'fpsf';
const SECRET = 'a secret that only the tests know, long enough';
/** Six pages to read, then a quiz; and a quiz alone, that lets nobody try twice within three seconds. */
const quiz = (cooldown) => ({
  key: 'quiz', kind: 'quiz', required: true, pass_mark: 100, title: { fr: 'Deux questions' },
  quiz: {
    cooldown_seconds: cooldown, shuffle: true, reveal: 'after_attempt', questions: [
      { key: 'six', kind: 'numeric', points: 1, prompt: { fr: 'Combien de pages ?' }, value: 6, tolerance: 0 },
      { key: 'yes', kind: 'short_text', points: 1, prompt: { fr: 'Écrivez « oui ».' }, accept: { fr: ['oui'] } },
    ],
  },
});
export const track = (title, steps) => ({
  track_type: 'beginner_intro', source_lang: 'fr', cms_block_enabled: true, title: { fr: title }, summary: { fr: '' }, steps,
});
export const pages = [1, 2, 3, 4, 5, 6].map((n) => ({
  key: `page-${n}`, kind: 'content', required: true, title: { fr: `Page ${n}` }, body: { fr: `Ceci est la page **${n}**.`, en: `This is page **${n}**.` },
}));
const TRACKS = { walk: track('Une longue marche', [...pages, quiz(0)]), 'walk-again': track('Encore', pages), short: track('Une pause', [quiz(3)]) };

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');

/** The page: its address says the language and the tracks. */
function page(address, api) {
  const { searchParams } = new URL(address, 'http://page');
  const lang = escape(searchParams.get('lang') ?? 'fr');
  const tracks = searchParams.getAll('track');
  const widgets = (tracks.length ? tracks : ['walk']).map((track) =>
    `<jalon-track site="${SITE}" track="${escape(track)}" loading="eager"></jalon-track>`);
  return `<!doctype html><html lang="${lang}"${lang === 'ar' ? ' dir="rtl"' : ''}><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>A page</title><link rel="icon" href="data:,">
<script async src="${api}/embed/v1/jalon.js"></script></head>
<body><input id="search" aria-label="Search"><main>${widgets.join('')}</main><div id="elsewhere"></div></body></html>`;
}

/** Everything, running, with these tracks. */
export async function startStage(tracks = TRACKS) {
  const binary = process.env.JALON_BIN;
  if (!binary) throw new Error('JALON_BIN names no binary: run `cargo xtask test --only browser`');
  const folder = mkdtempSync(join(tmpdir(), 'jalon-stage-'));
  const database = ['--database-url', `sqlite://${join(folder, 'jalon.db')}`];
  const jalon = (...args) => promisify(execFile)(binary, [...database, ...args]);
  // `own` is what a story puts at the page's address itself, as `/own`.
  const stage = { weather: undefined, log: [], own: '' };

  // The page.
  const host = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(request.url === '/own' ? stage.own : page(request.url, stage.api));
  }).listen(0, '127.0.0.1');
  await once(host, 'listening');
  const origin = `http://127.0.0.1:${host.address().port}`;

  // The weather.
  let port;
  const front = createServer((request, response) => rain(stage, () => port, request, response)).listen(0, '127.0.0.1');
  front.requestTimeout = 0;
  await once(front, 'listening');
  stage.api = `http://127.0.0.1:${front.address().port}`;

  // The backend.
  await jalon('site', 'add', SITE, '--origin', origin, '--lang', 'fr', '--member-secret', SECRET);
  const publish = async (slug, source) => {
    writeFileSync(join(folder, `${slug}.json`), JSON.stringify(source));
    await jalon('import', join(folder, `${slug}.json`), '--site', SITE, '--publish');
  };
  for (const [slug, source] of Object.entries(tracks)) await publish(slug, source);
  let backend;
  const up = async () => {
    let said = '';
    for (const deadline = Date.now() + 30_000; ; await new Promise((later) => setTimeout(later, 50))) {
      if (!backend || backend.exitCode !== null || backend.signalCode !== null) {
        // The first time; or somebody else on this machine took the port in between.
        port = await freePort();
        backend = spawn(binary, [
          ...database, 'serve', '--listen', `127.0.0.1:${port}`, '--public-url', stage.api, '--development',
          '--limit-per-address', '0', '--limit-per-learner', '0',
        ], { stdio: ['ignore', 'ignore', 'pipe'] });
        backend.stderr.on('data', (text) => { said = `${said}${text}`.slice(-2000); });
      }
      const ready = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
      if (ready?.ok && backend.exitCode === null) return;
      if (Date.now() > deadline) throw new Error(`the backend does not come up: ${said}`);
    }
  };
  const down = async (signal = 'SIGKILL') => {
    if (backend.exitCode !== null || backend.signalCode !== null) return;
    const end = once(backend, 'exit');
    backend.kill(signal);
    await end;
  };
  await up();

  const ask = async (path, token) => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, { headers: token && { authorization: token } });
    return answer.json();
  };
  return Object.assign(stage, {
    origin,
    /** The address of the page. */
    page: (query = '') => `${origin}/?${query}`,
    /** Lets go of the page's address, for another page to stand there. */
    letGo: async () => {
      if (!host.listening) return;
      host.close();
      host.closeAllConnections();
      await once(host, 'close');
    },
    /** A clear sky, and nothing heard yet. */
    clear: () => { Object.assign(stage, { weather: undefined, log: [] }); },
    up,
    down,
    /** Publishes a track, or a version of it with more steps; the server shows it when this answers. */
    publish: async (slug, source) => {
      await publish(slug, source);
      // The command is a process of its own, and the server looks at what others changed once a second.
      for (const deadline = Date.now() + 30_000; ; await new Promise((later) => setTimeout(later, 50))) {
        const { steps } = await ask(`/sites/${SITE}/tracks/${slug}`);
        if (steps?.length === source.steps.length) return;
        if (Date.now() > deadline) throw new Error(`${slug} does not show`);
      }
    },
    /** Begins a track on another device. */
    enroll: async (slug, token) => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/sites/${SITE}/tracks/${slug}/enrollments`, {
        method: 'POST', headers: { authorization: `Bearer ${token}` },
      });
      if (answer.status !== 201) throw new Error(await answer.text());
    },
    /** Asks as the site's owner, or as who has this token; answers what the server says. */
    admin: async (method, path, body, token) => {
      stage.key ??= token ?? (await jalon('key', 'add', '--site', SITE, '--scope', 'site_admin')).stdout.trim();
      for (const deadline = Date.now() + 30_000; ; await new Promise((later) => setTimeout(later, 50))) {
        const answer = await fetch(`http://127.0.0.1:${port}/api/v1/admin/sites/${SITE}${path}`, {
          method, headers: { authorization: `Bearer ${token ?? stage.key}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body),
        });
        const said = await answer.text();
        if (answer.ok) return said && JSON.parse(said);
        // The server looks at new keys once a second.
        if (answer.status !== 401 || Date.now() > deadline) throw new Error(`${method} ${path}: ${answer.status} ${said}`);
      }
    },
    /** A member's token. */
    member: async (subject, ...roles) =>
      (await jalon('token', 'member', '--site', SITE, '--sub', subject, ...roles.flatMap((role) => ['--role', role]))).stdout.trim(),
    /**
     * What the server holds of everybody who asked since the sky was last clear: by track, the completed
     * steps of each enrollment there is. Two guests where there should be one show as two lists.
     */
    held: async () => {
      const held = {};
      for (const token of new Set(stage.log.map((entry) => entry.token).filter(Boolean))) {
        const { items = [] } = await ask(`/sites/${SITE}/me/enrollments`, token);
        for (const { id } of items) {
          const { track, steps } = await ask(`/enrollments/${id}`, token);
          (held[track.slug] ??= []).push(steps.filter((step) => step.state === 'completed').map((step) => step.order));
        }
      }
      return held;
    },
    stop: async () => {
      await down('SIGTERM');
      for (const server of [front, host]) {
        server.close();
        server.closeAllConnections();
      }
      rmSync(folder, { recursive: true, force: true });
    },
  });
}

/**
 * One request. `stage.weather(entry)` says what becomes of it, at once or later: nothing special
 * (undefined), an answer (`{ status, headers, body }`), `'hang'`, `'lose'` (the server hears it, the
 * device hears nothing), `'cut'` (half an answer), `'refuse'`; or `{ after: promise }`, which holds the
 * answer back, not the request.
 */
async function rain(stage, port, request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { method, url, headers } = request;
  const entry = { method, path: url.split('?')[0], url, token: headers.authorization, key: headers['idempotency-key'], at: performance.now() };
  if (method !== 'OPTIONS') stage.log.push(entry);
  const weather = method === 'OPTIONS' ? undefined : await stage.weather?.(entry);
  if (weather === 'hang') return;
  if (weather === 'refuse') return void request.socket.destroy();
  if (weather?.status) {
    response.writeHead(weather.status, {
      'content-type': 'application/problem+json', 'access-control-allow-origin': headers.origin ?? '*',
      'access-control-expose-headers': 'retry-after, date', ...weather.headers,
    });
    return void response.end(weather.body ?? JSON.stringify({ type: 'about:blank', title: 'A bad day', status: weather.status, code: 'internal' }));
  }
  const inner = forward({ host: '127.0.0.1', port: port(), method, path: url, headers }, async (answer) => {
    const parts = [];
    try {
      for await (const part of answer) parts.push(part);
    } catch {
      return void request.socket.destroy();
    }
    entry.status = answer.statusCode;
    if (weather === 'lose') return void request.socket.destroy();
    await weather?.after;
    const body = Buffer.concat(parts);
    const { 'transfer-encoding': _, ...own } = answer.headers;
    response.writeHead(answer.statusCode, { ...own, ...(body.length && { 'content-length': body.length }) });
    if (weather !== 'cut') return void response.end(body);
    response.write(body.subarray(0, body.length / 2), () => request.socket.destroy());
  });
  inner.on('error', () => request.socket.destroy());
  inner.end(Buffer.concat(chunks));
}

/** A promise, and how to keep it. */
export function gate() {
  let open;
  const opened = new Promise((resolve) => { open = resolve; });
  return { opened, open };
}
