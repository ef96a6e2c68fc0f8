// Draws throw.mp4 and its poster, throw.jpg: one end of pétanque as a diagram, a minute long.
//
//     node make.mjs            (needs ffmpeg with libx264 and librsvg, as Debian's has)
//
// Every frame is an SVG made by a function of the time alone, so that the same program draws the same
// film. Nothing in the picture is in a language: what is said is in throw.<lang>.vtt, and a change of
// the scenes below is a change of the times there.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SECONDS = 60;
const RATE = 15;
const [WIDTH, HEIGHT] = [640, 360];
const POSTER_AT = 18;
const MAX_BYTES = 250_000;

const BLUE = '#1c5d8c';
const ORANGE = '#d4581f';
const INK = '#2b2a33';

// --- time -------------------------------------------------------------------------------------------

/** How far `t` is between two moments, 0 to 1. */
const between = (t, from, to) => Math.min(1, Math.max(0, (t - from) / (to - from)));
const gentle = (x) => x * x * (3 - 2 * x);
/** Fast, then slower and slower: how a boule rolls. */
const rolling = (x) => 1 - (1 - x) ** 2;
const mix = (a, b, x) => a + (b - a) * x;

// --- the side view: metres from the circle's edge become pixels ------------------------------------

const GROUND = 268;
const x = (metres) => 92 + metres * 49;

const text = (at, y, size, words, fill = INK) =>
  `<text x="${at}" y="${y}" font-family="DejaVu Sans" font-size="${size}" font-weight="bold" text-anchor="middle" fill="${fill}">${words}</text>`;

/** A ball, with the grooves that show whose it is and that it turns. */
function boule(cx, cy, r, fill, turn = 0) {
  const groove = (dy) => `<path d="M${-r * 0.86},${dy} Q0,${dy * 1.7} ${r * 0.86},${dy}" fill="none" stroke="#fff" stroke-opacity=".55" stroke-width="${r * 0.13}"/>`;
  return `<g transform="translate(${cx.toFixed(2)},${cy.toFixed(2)}) rotate(${turn.toFixed(1)})">
    <circle r="${r}" fill="${fill}"/>${groove(-r * 0.35)}${groove(r * 0.35)}
    <circle r="${r}" fill="none" stroke="${INK}" stroke-opacity=".5" stroke-width="${r * 0.1}"/></g>`;
}

const jack = (cx, cy, r) => `<circle cx="${cx.toFixed(2)}" cy="${cy.toFixed(2)}" r="${r}" fill="#f4c430" stroke="${INK}" stroke-width="${r * 0.25}"/>`;

/** A throw: through the air from the hand to where it lands, then along the ground. */
function flight(t, { start, lands, landsAt, stops, stopsAt, height }) {
  if (t < start) return null;
  if (t < lands) {
    const along = between(t, start, lands);
    return { metres: mix(0.1, landsAt, along), up: mix(62, 0, along) + height * 4 * along * (1 - along), turn: -along * 200, flying: true };
  }
  const along = rolling(between(t, lands, stops));
  return { metres: mix(landsAt, stopsAt, along), up: 0, turn: along * 620, flying: false };
}

const JACK = { start: 7.5, lands: 9, landsAt: 7.2, stops: 10.5, stopsAt: 8, height: 70 };
const FIRST = { start: 16, lands: 17.5, landsAt: 5.4, stops: 20, stopsAt: 7.62, height: 92 };
const SECOND = { start: 28, lands: 29.7, landsAt: 8.14, stops: 31.4, stopsAt: 8.34, height: 128 };

/** The player: feet in the circle, the arm swings back and then forth until the moment of release. */
function player(t, release, shirt) {
  const back = gentle(between(t, release - 1.6, release - 0.5));
  const forth = gentle(between(t, release - 0.5, release + 0.15));
  const rest = gentle(between(t, release + 0.9, release + 1.8));
  const angle = mix(mix(mix(8, 62, back), -62, forth), 8, rest);
  const bend = Math.sin(Math.PI * between(t, release - 1.6, release + 0.4)) * 7;
  const hip = GROUND - 46 + bend;
  const shoulder = hip - 40;
  const limb = (d, width, stroke) => `<path d="${d}" fill="none" stroke="${stroke}" stroke-width="${width}" stroke-linecap="round" stroke-linejoin="round"/>`;
  const inHand = t < release;
  return `<g transform="translate(${x(0) - 12},0)">
    ${limb(`M-6,${GROUND - 2} L${-8 - bend * 0.3},${GROUND - 24 + bend * 0.4} L0,${hip}`, 9, '#3b3f58')}
    ${limb(`M7,${GROUND - 2} L${5 + bend * 0.5},${GROUND - 24 + bend * 0.4} L0,${hip}`, 9, '#4a4f6d')}
    ${limb(`M-7,${GROUND - 1} h9 M6,${GROUND - 1} h9`, 5, INK)}
    ${limb(`M0,${hip - 4} L${3 + bend * 0.5},${shoulder}`, 17, shirt)}
    <circle cx="${6 + bend}" cy="${shoulder - 21}" r="11" fill="#c98d5f"/>
    <path d="M${-6 + bend},${shoulder - 24} q4,-12 16,-9 q9,1 14,8 z" fill="${INK}"/>
    <g transform="translate(${3 + bend * 0.5},${shoulder + 3}) rotate(${angle.toFixed(1)})">
      ${limb('M0,0 L0,34', 7, '#c98d5f')}${inHand ? boule(0, 40, 7, release === JACK.start ? '#f4c430' : shirt) : ''}</g>
  </g>`;
}

function side(t) {
  const parts = [];
  const turn = t < 13 ? JACK : t < 25 ? FIRST : SECOND;
  const shirt = t < 25 ? BLUE : ORANGE;

  // The zone in which the jack is good, with its two distances.
  const zone = gentle(between(t, 2.5, 4.5)) * (1 - 0.75 * gentle(between(t, 12, 13.5)));
  parts.push(`<rect x="${x(6)}" y="${GROUND}" width="${x(10) - x(6)}" height="26" fill="#4d8b57" fill-opacity="${(0.55 * zone).toFixed(3)}"/>`);
  for (const [metres, at] of [[6, 3], [10, 3.8]]) {
    const shown = gentle(between(t, at, at + 0.8));
    const span = x(metres) - x(0);
    const y = metres === 6 ? GROUND + 47 : GROUND + 73;
    parts.push(`<g opacity="${(shown * mix(0.45, 1, zone)).toFixed(3)}">
      <path d="M${x(0)},${y} h${(span * shown).toFixed(1)} M${x(0)},${y - 6} v12 M${x(0) + span * shown},${y - 6} v12" stroke="${INK}" stroke-width="2" fill="none"/>
      <path d="M${x(metres)},${GROUND} v${y - GROUND - 6}" stroke="${INK}" stroke-width="1.2" stroke-dasharray="3 4"/>
      <rect x="${x(metres) - 66}" y="${y - 12}" width="52" height="24" rx="12" fill="#fdf6e7"/>${text(x(metres) - 40, y + 6, 17, `${metres} m`)}</g>`);
  }

  // The circle, and its glow while the feet have to stay inside.
  const held = [FIRST, SECOND].some(({ start, lands }) => t > start - 1.6 && t < lands);
  const beat = held ? 0.55 + 0.45 * Math.sin(t * 7) : 0;
  parts.push(`<ellipse cx="${x(0) - 12}" cy="${GROUND + 5}" rx="${(24 + 3 * beat).toFixed(1)}" ry="${(7 + beat).toFixed(1)}" fill="none" stroke="${held ? '#c22f3d' : '#fffaf0'}" stroke-width="${(3 + 2 * beat).toFixed(1)}"/>`);

  parts.push(player(t, turn.start, shirt));

  const target = flight(t, JACK);
  if (target) parts.push(jack(x(target.metres), GROUND - 4 - target.up, 4.6));
  for (const [thrown, fill] of [[FIRST, BLUE], [SECOND, ORANGE]]) {
    const now = flight(t, thrown);
    if (!now) continue;
    // What was flown so far, as a dotted line that fades once the boule lies.
    const trail = [];
    for (let then = thrown.start; then < Math.min(t, thrown.lands); then += 0.05) {
      const past = flight(then, thrown);
      trail.push(`${x(past.metres).toFixed(1)},${(GROUND - 8 - past.up).toFixed(1)}`);
    }
    const fade = 1 - between(t, thrown.stops, thrown.stops + 2);
    if (trail.length > 1 && fade > 0) parts.push(`<polyline points="${trail.join(' ')}" fill="none" stroke="${fill}" stroke-opacity="${(0.6 * fade).toFixed(2)}" stroke-width="2.5" stroke-dasharray="1 8" stroke-linecap="round"/>`);
    const landed = between(t, thrown.lands, thrown.lands + 0.5);
    if (landed > 0 && landed < 1) parts.push(`<ellipse cx="${x(thrown.landsAt)}" cy="${GROUND + 1}" rx="${8 + 16 * landed}" ry="${3 + 3 * landed}" fill="none" stroke="#8a6a3f" stroke-opacity="${(1 - landed).toFixed(2)}" stroke-width="2"/>`);
    parts.push(boule(x(now.metres), GROUND - 8 - now.up, 8.5, fill, now.turn));
  }

  return `<rect width="640" height="${GROUND}" fill="#e3eef0"/>
    <circle cx="548" cy="62" r="30" fill="#fbe3a4"/>
    <path d="M0,${GROUND - 44} q60,-40 130,-12 t150,-14 t170,10 t190,-16 V${GROUND} H0 Z" fill="#b9cfb6"/>
    <path d="M0,${GROUND - 20} q90,-22 180,-6 t200,-4 t260,-4 V${GROUND} H0 Z" fill="#9dbb9c"/>
    <rect y="${GROUND}" width="640" height="${HEIGHT - GROUND}" fill="#e8d2a8"/>
    <rect y="${GROUND}" width="640" height="3" fill="#cdb07c"/>${parts.join('')}`;
}

// --- the view from above: the measure ---------------------------------------------------------------

const SPOT = { x: 318, y: 172 };
const LEFT = { x: 128, y: 138, fill: BLUE, cm: 38, from: 41.5, to: 44, key: 'blue' };
const RIGHT = { x: 474, y: 226, fill: ORANGE, cm: 34, from: 46, to: 48.5, key: 'orange' };
const BALL = 33;

/** Short chalk strokes beside a ball: where it lies, should it be moved. */
function marks({ x: cx, y: cy }, r, shown) {
  const stroke = (angle) => {
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    return `M${cx + c * (r + 5)},${cy + s * (r + 5)} L${cx + c * (r + 5 + 12 * shown)},${cy + s * (r + 5 + 12 * shown)}`;
  };
  return shown > 0 ? `<path d="${[0.5, 2.1, 3.7, 5.3].map(stroke).join(' ')}" stroke="#fffdf5" stroke-width="4" stroke-linecap="round" opacity="${shown.toFixed(2)}"/>` : '';
}

/** The tape from the jack to a boule, drawn out as far as the moment has it. */
function tape(t, ball) {
  const out = gentle(between(t, ball.from, ball.to));
  if (out === 0) return '';
  const [dx, dy] = [ball.x - SPOT.x, ball.y - SPOT.y];
  const length = Math.hypot(dx, dy);
  const reach = (length - BALL - 12) * out;
  const ticks = [];
  for (let at = 0; at < reach; at += 9) ticks.push(`M${at.toFixed(1)},-6 v${ticks.length % 5 === 0 ? 12 : 6}`);
  const shown = gentle(between(t, ball.to, ball.to + 0.6));
  const middle = { x: SPOT.x + dx * 0.47, y: SPOT.y + dy * 0.47 - 30 };
  return `<g transform="translate(${SPOT.x},${SPOT.y}) rotate(${(Math.atan2(dy, dx) * 180 / Math.PI).toFixed(2)}) translate(12,0)">
      <rect y="-7" width="${reach.toFixed(1)}" height="14" rx="2" fill="#ffe27a" stroke="${INK}" stroke-width="1.4"/>
      <path d="${ticks.join(' ')}" stroke="${INK}" stroke-width="1" fill="none"/></g>
    <g opacity="${shown.toFixed(2)}"><rect x="${middle.x - 44}" y="${middle.y - 19}" width="88" height="36" rx="18" fill="#fdf6e7" stroke="${ball.fill}" stroke-width="3"/>
      ${text(middle.x, middle.y + 7, 19, `${ball.cm} cm`, ball.fill)}</g>`;
}

function above(t) {
  const stones = [];
  for (let n = 0; n < 90; n += 1) {
    const [px, py] = [(n * 197.3) % 640, (n * 113.7 + (n % 7) * 31) % 360];
    stones.push(`<circle cx="${px.toFixed(0)}" cy="${py.toFixed(0)}" r="${1.2 + (n % 3) * 0.8}" fill="${n % 2 ? '#d3b883' : '#f3e2c0'}"/>`);
  }
  const marked = gentle(between(t, 39, 40.5));
  const won = gentle(between(t, 51.5, 53));
  const beat = won * (0.5 + 0.5 * Math.sin(t * 4));
  const shadow = ({ x: cx, y: cy }, r) => `<ellipse cx="${cx + r * 0.18}" cy="${cy + r * 0.24}" rx="${r * 1.04}" ry="${r}" fill="#7a6238" fill-opacity=".3"/>`;
  const ring = won > 0
    ? `<circle cx="${RIGHT.x}" cy="${RIGHT.y}" r="${(BALL + 9 + 5 * beat).toFixed(1)}" fill="none" stroke="#2f7a45" stroke-width="${(4 + 2 * beat).toFixed(1)}" opacity="${won.toFixed(2)}"/>
       <g opacity="${won.toFixed(2)}" transform="translate(${RIGHT.x + 47},${RIGHT.y - 46})"><circle r="20" fill="#2f7a45"/><path d="M-9,0 L-2,8 L10,-8" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/></g>`
    : '';
  return `<rect width="640" height="360" fill="#e8d2a8"/>${stones.join('')}
    ${shadow(LEFT, BALL)}${shadow(RIGHT, BALL)}
    ${marks(LEFT, BALL, marked)}${marks(RIGHT, BALL, marked)}${marks(SPOT, 13, marked)}
    ${tape(t, LEFT)}${tape(t, RIGHT)}${ring}
    <g opacity="${(1 - 0.45 * won).toFixed(2)}">${boule(LEFT.x, LEFT.y, BALL, BLUE, 25)}</g>${boule(RIGHT.x, RIGHT.y, BALL, ORANGE, -35)}
    ${jack(SPOT.x, SPOT.y, 12)}`;
}

// --- the film -----------------------------------------------------------------------------------------

/** The side view until the measure, then the view from above; each scene fades. */
function frame(t) {
  const cut = 36;
  const dark = Math.max(1 - between(t, 0, 0.8), 1 - Math.abs(between(t, cut - 0.7, cut + 0.7) * 2 - 1), between(t, SECONDS - 0.9, SECONDS - 0.1));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}">
    ${t < cut ? side(t) : above(t)}
    <rect width="640" height="360" fill="#fdf6e7" fill-opacity="${dark.toFixed(3)}"/></svg>`;
}

function main() {
  const here = dirname(fileURLToPath(import.meta.url));
  const frames = mkdtempSync(join(tmpdir(), 'jalon-video-'));
  const ffmpeg = (...args) => execFileSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...args], { stdio: 'inherit' });
  try {
    console.error(`drawing ${SECONDS * RATE} pictures`);
    for (let n = 0; n < SECONDS * RATE; n += 1) {
      writeFileSync(join(frames, `${String(n).padStart(4, '0')}.svg`), frame(n / RATE));
    }
    console.error('making throw.mp4');
    ffmpeg('-framerate', String(RATE), '-i', join(frames, '%04d.svg'), '-an',
      '-c:v', 'libx264', '-profile:v', 'baseline', '-level', '3.0', '-preset', 'veryslow', '-tune', 'animation',
      '-crf', '33', '-g', String(RATE * 4), '-pix_fmt', 'yuv420p', '-threads', '1', '-movflags', '+faststart',
      '-map_metadata', '-1', '-fflags', '+bitexact', '-flags:v', '+bitexact', join(here, 'throw.mp4'));
    console.error('making throw.jpg');
    ffmpeg('-i', join(frames, `${String(POSTER_AT * RATE).padStart(4, '0')}.svg`), '-frames:v', '1', '-q:v', '6', '-pix_fmt', 'yuvj420p', '-fflags', '+bitexact', join(here, 'throw.jpg'));
  } finally {
    rmSync(frames, { recursive: true });
  }
  const { size } = statSync(join(here, 'throw.mp4'));
  console.error(`throw.mp4: ${size} bytes, ${SECONDS} s`);
  if (size > MAX_BYTES) throw new Error(`throw.mp4 is larger than ${MAX_BYTES} bytes`);
}

main();
