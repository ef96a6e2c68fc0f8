//! What an attempt came to, and why.

use jalon_shared::{
    Score,
    track::Refusal,
    wire::{
        quiz::{QuestionResult, QuestionView, QuizResult, RightAnswer},
        track::StepBody,
    },
};
use yew::{Html, html, html::Scope};

use super::quiz::{Given, QuizMsg};
use crate::{
    app::{App, Msg},
    shell::{DONE, icon, inline},
};

impl App {
    pub(crate) fn view_result(
        &self,
        link: &Scope<Self>,
        body: &StepBody,
        result: &QuizResult,
        may: &Result<(), Refusal>,
    ) -> Html {
        let words = &self.words;
        let score = words.score(result.score);
        let key = if result.passed { "result.passed" } else { "result.failed" };
        let retry = if result.passed { "quiz.improve" } else { "quiz.retry" };
        let better = result.passed && result.score == Score::FULL;
        html! {
            <section class={if result.passed { "panel good result" } else { "panel missed result" }} part="result" data-jalon="result"
                     data-passed={result.passed.to_string()} aria-labelledby="jalon-result">
                <h4 id="jalon-result" tabindex="-1">{words.with(key, &[("score", &score)])}</h4>
                if let (false, Some(mark)) = (result.passed, body.pass_mark) {
                    <p>{words.with("quiz.mark", &[("score", &words.score(mark))])}</p>
                }
                if let (false, Some(left)) = (result.passed, result.attempts_left) {
                    <p data-jalon="attempts-left">{words.count("quiz.left", u64::from(left), &[])}</p>
                }
                if !better {
                    {match may {
                        Ok(()) => html! { <button class={if result.passed { "plain" } else { "main" }} part="button" data-jalon="retry" onclick={link.callback(|_| Msg::Quiz(QuizMsg::Retry))}>{words.t(retry)}</button> },
                        Err(_) if result.passed => html! {},
                        Err(refusal) => self.view_closed(refusal),
                    }}
                }
            </section>
        }
    }

    pub(crate) fn view_question_result(&self, question: &QuestionView, given: &Given, result: &QuestionResult) -> Html {
        let words = &self.words;
        let (class, key) = match result.score {
            Score::FULL => ("verdict right", "verdict.right"),
            Score::ZERO => ("verdict wrong", "verdict.wrong"),
            _ => ("verdict partly", "verdict.partly"),
        };
        let said = result.choices.iter().filter(|said| given.ids.is_empty() || given.ids.contains(&said.choice_id));
        html! {
            <div class={class} data-jalon="verdict" part="feedback">
                <p class="said">
                    if result.score == Score::FULL { {icon(DONE)} }
                    <b>{words.t(key)}</b>
                    if result.score != Score::FULL && result.score != Score::ZERO { {" · "}{words.score(result.score)} }
                </p>
                {for said.map(|said| html! { <p>{inline(&said.feedback)}</p> })}
                {for result.feedback.iter().map(|text| html! { <p>{inline(text)}</p> })}
                if let (Some(right), true) = (&result.right, result.score != Score::FULL) {
                    <p class="soft">{words.t("verdict.answer")}</p>
                    {self.view_right(question, right)}
                }
            </div>
        }
    }

    /// What was right, where the quiz shows it.
    fn view_right(&self, question: &QuestionView, right: &RightAnswer) -> Html {
        let words = &self.words;
        #[expect(clippy::cast_precision_loss, reason = "at most 1e15, which a double holds exactly")]
        let number = right.number.map(|number| {
            let value = words.number(number.0 as f64 / 1e6);
            match right.tolerance {
                Some(tolerance) => [&value, " ± ", &words.number(tolerance.0 as f64 / 1e6)].concat(),
                None => value,
            }
        });
        let pair = |(left, rest): &(_, _)| html! { <li>{self.name_of(question, *left)}{" – "}{self.name_of(question, *rest)}</li> };
        html! {
            <>
                {for number.map(|number| html! { <p>{number}</p> })}
                if !right.texts.is_empty() { <p>{right.texts.join(" / ")}</p> }
                if !right.choice_ids.is_empty() { <ul>{for right.choice_ids.iter().map(|id| html! { <li>{self.name_of(question, *id)}</li> })}</ul> }
                if !right.order.is_empty() { <ol>{for right.order.iter().map(|id| html! { <li>{self.name_of(question, *id)}</li> })}</ol> }
                if !right.pairs.is_empty() { <ul>{for right.pairs.iter().map(pair)}</ul> }
            </>
        }
    }
}
