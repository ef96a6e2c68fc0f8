//! What an attempt came to, and why.

use jalon_shared::{
    Score,
    track::Refusal,
    wire::quiz::{QuestionResult, QuestionView, RightAnswer},
};
use yew::{Html, html::Scope};

use super::quiz::{Given, QuizMsg};
use crate::{
    app::{App, Msg},
    draw::{El, all, el, p, text},
    shell::{DONE, icon, inline},
    work::{Attempt, Task},
};

impl App {
    pub(crate) fn view_result(
        &self,
        link: &Scope<Self>,
        task: &Task,
        result: &Attempt,
        may: &Result<(), Refusal>,
    ) -> Html {
        let words = &self.words;
        let passed = result.passed.unwrap_or(true);
        let waits = result.waits();
        let key = match result.passed {
            // Nobody knows yet what a grader will make of it.
            _ if waits && !result.passed.unwrap_or(false) => "result.waits",
            Some(true) => "result.passed",
            Some(false) => "result.failed",
            None => "result.done",
        };
        let (retry, button) = if passed { ("quiz.improve", "button.plain") } else { ("quiz.retry", "button.main") };
        let score = result.score();
        let missed = !passed && !waits;
        let mut panel = el(if missed { "section.panel missed result" } else { "section.panel good result" })
            .set("part", "result")
            .set("data-jalon", "result")
            .set("data-passed", &passed.to_string())
            .set("aria-labelledby", "jalon-result")
            .add(el("h4|id=jalon-result|tabindex=-1").text(&words.with(key, &[("score", &words.score(score))])).done())
            .maybe(result.points().map(|points| self.view_points(points)))
            .maybe(result.feedback.as_ref().map(|said| el("p").add(inline(said)).done()));
        if missed {
            if let Some(mark) = task.pass_mark {
                panel = panel.add(p("p", &words.with("quiz.mark", &[("score", &words.score(mark))])));
            }
            if let Some(left) = result.attempts_left {
                panel = panel.add(p("p|data-jalon=attempts-left", &words.count("quiz.left", u64::from(left), &[])));
            }
        }
        let perfect = passed && score == Score::FULL;
        if !(waits || perfect) {
            panel = panel.maybe(match may {
                Ok(()) => Some(
                    el(button)
                        .set("part", "button")
                        .set("data-jalon", "retry")
                        .press(link, || Msg::Quiz(QuizMsg::Retry))
                        .say(words, retry)
                        .done(),
                ),
                Err(_) if passed => None,
                Err(refusal) => Some(self.view_closed(refusal)),
            });
        }
        panel.done()
    }

    pub(crate) fn view_question_result(&self, question: &QuestionView, given: &Given, result: &QuestionResult) -> Html {
        let words = &self.words;
        let (spec, key) = match result.score {
            _ if result.awaits_grading => ("div.verdict partly", "verdict.waits"),
            Score::FULL => ("div.verdict right", "verdict.right"),
            Score::ZERO => ("div.verdict wrong", "verdict.wrong"),
            _ => ("div.verdict partly", "verdict.partly"),
        };
        let (waits, full) = (result.awaits_grading, result.score == Score::FULL);
        let mut said = el("p.said");
        if full && !waits {
            said = said.add(icon(DONE));
        }
        said = said.add(el("b").say(words, key).done());
        if !waits && !full && result.score != Score::ZERO {
            said = said.text(" · ").text(&words.score(result.score));
        }
        let to_choices =
            result.choices.iter().filter(|said| given.ids.is_empty() || given.ids.contains(&said.choice_id));
        let feedback = to_choices.map(|said| &said.feedback).chain(&result.feedback);
        let mut verdict = el(spec)
            .set("data-jalon", "verdict")
            .set("part", "feedback")
            .add(said.done())
            .all(feedback.map(|text| el("p").add(inline(text)).done()));
        if let (Some(right), false) = (&result.right, full) {
            verdict = self.view_right(verdict.add(p("p.soft", &words.t("verdict.answer"))), question, right);
        }
        verdict.done()
    }

    /// What was right, where the quiz shows it.
    fn view_right(&self, mut verdict: El, question: &QuestionView, right: &RightAnswer) -> El {
        let words = &self.words;
        if let Some(number) = right.number {
            #[expect(clippy::cast_precision_loss, reason = "at most 1e15, which a double holds exactly")]
            let say = |n: i64| words.number(n as f64 / 1e6);
            let tolerance = right.tolerance.map(|tolerance| [" ± ", &say(tolerance.0)].concat());
            verdict = verdict.add(p("p", &[say(number.0), tolerance.unwrap_or_default()].concat()));
        }
        if !right.texts.is_empty() {
            verdict = verdict.add(p("p", &right.texts.join(" / ")));
        }
        for (list, ids) in [("ul", &right.choice_ids), ("ol", &right.order)] {
            if !ids.is_empty() {
                let lines = ids.iter().map(|id| el("li").add(self.name_of(question, *id)).done());
                verdict = verdict.add(el(list).all(lines).done());
            }
        }
        if !right.pairs.is_empty() {
            let lines = right.pairs.iter().map(|(left, rest)| {
                let pair = [self.name_of(question, *left), text(" – "), self.name_of(question, *rest)];
                el("li").add(all(pair)).done()
            });
            verdict = verdict.add(el("ul").all(lines).done());
        }
        verdict
    }
}
