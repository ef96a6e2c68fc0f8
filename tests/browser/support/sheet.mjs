// The answer sheet of a quiz, read from the track as its author wrote it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

import { plain } from './widget.mjs';

const ROOT = join(import.meta.dirname, '../../..');

/** The track's source. */
export const track = (slug) => parse(readFileSync(join(ROOT, 'examples/content', slug, 'track.yaml'), 'utf8'));

/** The interface's words in a language. */
export const words = (lang) => JSON.parse(readFileSync(join(ROOT, 'widget/locales', `${lang}.json`), 'utf8'));

/** What to answer to each question of a step, by what the learner reads. */
export function sheet(slug, step, lang) {
  const source = track(slug);
  const say = (text) => plain(text[lang] ?? text[source.source_lang]);
  const choices = (question, right) => question.choices.filter((choice) => Boolean(choice.right) === right).map((choice) => say(choice.text));
  const word = words(lang);
  const { quiz } = source.steps.find(({ key }) => key === step);
  return quiz.questions.map((question) => ({
    kind: question.kind,
    prompt: say(question.prompt),
    ...{
      single_choice: () => ({ right: choices(question, true), wrong: choices(question, false) }),
      multiple_choice: () => ({ right: choices(question, true), wrong: choices(question, false) }),
      true_false: () => ({ right: [word[String(question.right)]], wrong: [word[String(!question.right)]] }),
      numeric: () => ({ text: String(question.value) }),
      short_text: () => ({ text: (question.accept[lang] ?? question.accept[source.source_lang])[0] }),
      ordering: () => ({ order: question.items.map((item) => say(item.text)) }),
      matching: () => ({ pairs: question.pairs.map((pair) => [say(pair.left), say(pair.right)]) }),
    }[question.kind](),
  }));
}
