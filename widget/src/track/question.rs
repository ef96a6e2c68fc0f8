//! One question, of each kind; everything can be done with the keyboard, nothing needs dragging.

use jalon_shared::{
    ChoiceId, Resolved,
    quiz::source::QuestionKindName,
    wire::quiz::{ChoiceView, QuestionResult, QuestionView},
};
use yew::{Html, html::Scope};

use super::quiz::{self, Given, QuizMsg};
use crate::{
    app::{App, Msg},
    device,
    draw::{el, p, text},
    shell::{inline, rich},
};

impl App {
    /// The `n`th question; with its result once it is graded.
    pub(crate) fn view_question(
        &self,
        link: &Scope<Self>,
        n: usize,
        question: &QuestionView,
        result: Option<&QuestionResult>,
        closed: bool,
    ) -> Html {
        let nothing = Given { question: question.id, text: String::new(), ids: Vec::new(), pairs: Vec::new() };
        let given = self.form.given_to(question.id).unwrap_or(&nothing);
        let id = ["q-", &question.id.to_string()].concat();
        let (hint, control) = match question.kind {
            QuestionKindName::SingleChoice | QuestionKindName::TrueFalse => {
                ("", self.view_choices(link, question, given, closed, true))
            }
            QuestionKindName::MultipleChoice => {
                ("hint.multiple", self.view_choices(link, question, given, closed, false))
            }
            QuestionKindName::OpenEnded => ("hint.open", Self::view_text(link, question, given, closed)),
            QuestionKindName::Numeric => ("hint.number", Self::view_text(link, question, given, closed)),
            QuestionKindName::ShortText => ("", Self::view_text(link, question, given, closed)),
            QuestionKindName::Ordering => ("hint.ordering", self.view_ordering(link, question, given, closed)),
            QuestionKindName::Matching => ("hint.matching", self.view_matching(link, question, given, closed)),
        };
        #[expect(clippy::cast_precision_loss, reason = "a handful of questions")]
        let place = self.words.number((n + 1) as f64);
        let prompt = el("legend").add(el("span.n").text(&place).done()).add(inline(&question.prompt)).done();
        el("fieldset.question|tabindex=-1|part=question|data-jalon=question")
            .key(&id)
            .set("id", &id)
            .set("data-kind", question.kind.as_str())
            .add(prompt)
            .maybe(self.view_fallback(&question.prompt))
            .maybe((!hint.is_empty() && !closed).then(|| p("p.soft", &self.words.t(hint))))
            .maybe(if closed { None } else { self.view_hints(&question.hints) })
            .add(control)
            .maybe(result.map(|result| self.view_question_result(question, given, result)))
            .done()
    }

    /// What helps, closed until it is asked for; each holds the next one.
    fn view_hints(&self, hints: &[Resolved]) -> Option<Html> {
        let mut next = None;
        for (n, hint) in hints.iter().enumerate().rev() {
            #[expect(clippy::cast_precision_loss, reason = "a handful of hints")]
            let place = self.words.number((n + 1) as f64);
            let summary = el("summary").text(&self.words.with("hint", &[("n", &place)])).done();
            next = Some(el("details.hint|data-jalon=hint").add(summary).add(rich(hint)).maybe(next).done());
        }
        next
    }

    fn view_choices(
        &self,
        link: &Scope<Self>,
        question: &QuestionView,
        given: &Given,
        closed: bool,
        only: bool,
    ) -> Html {
        let id = question.id;
        let row = |choice: &ChoiceView| {
            let choice_id = choice.id;
            let chosen = given.ids.contains(&choice_id);
            let choose = move |_: &_| Some(Msg::Quiz(QuizMsg::Choose { question: id, choice: choice_id, only }));
            let input = el(if only { "input|type=radio" } else { "input|type=checkbox" })
                .set("name", &id.to_string())
                .value(&choice_id.to_string())
                .checked(chosen)
                .flag("disabled", closed)
                .hear("change", link, Box::new(choose));
            el(if chosen { "label.choice chosen|part=choice" } else { "label.choice|part=choice" })
                .key(&choice_id.to_string())
                .add(input.done())
                .add(el("span").add(self.choice_text(choice)).done())
                .done()
        };
        el("div.choices").all(question.choices.iter().map(row)).done()
    }

    /// What a choice says; true and false are the interface's words.
    pub(crate) fn choice_text(&self, choice: &ChoiceView) -> Html {
        match (&choice.text, choice.value) {
            (Some(text), _) => inline(text),
            (None, value) => text(&self.words.t(if value == Some(true) { "true" } else { "false" })),
        }
    }

    fn view_text(link: &Scope<Self>, question: &QuestionView, given: &Given, closed: bool) -> Html {
        let id = question.id;
        let field = match question.kind {
            QuestionKindName::OpenEnded => el("textarea.field|rows=6|maxlength=20000"),
            QuestionKindName::Numeric => el("input.field|type=text|maxlength=500|inputmode=decimal"),
            _ => el("input.field|type=text|maxlength=500|inputmode=text"),
        };
        field
            .set("part", "input")
            .set("autocomplete", "off")
            .set("aria-label", &device::plain(&question.prompt.value))
            .value(&given.text)
            .flag("disabled", closed)
            .hear("input", link, Box::new(move |event| Some(Msg::Quiz(QuizMsg::Write(id, device::value(event))))))
            .done()
    }

    fn view_ordering(&self, link: &Scope<Self>, question: &QuestionView, given: &Given, closed: bool) -> Html {
        let order = quiz::order(question, Some(given));
        let last = order.len().saturating_sub(1);
        let rows = order.iter().enumerate().filter_map(|(place, id)| {
            let item = question.items.iter().find(|item| item.id == *id)?;
            let name = item.text.as_ref().map(|text| device::plain(&text.value)).unwrap_or_default();
            let button = |key: &str, to: Option<usize>, id: String, sign: &str| {
                let (order, question) = (order.clone(), question.id);
                let moved = move |_: &_| {
                    Some(Msg::Quiz(QuizMsg::Move { question, order: order.clone(), from: place, to: to? }))
                };
                // Not `disabled`: the focus would be lost when an item reaches an end.
                el("button.tool|type=button")
                    .set("id", &id)
                    .flag("aria-disabled", to.is_none())
                    .flag("disabled", closed)
                    .set("aria-label", &self.words.with(key, &[("item", &name)]))
                    .hear("click", link, Box::new(moved))
                    .text(sign)
                    .done()
            };
            let id = id.to_string();
            Some(
                el("li.item")
                    .key(&id)
                    .add(el("span.text").add(self.choice_text(item)).done())
                    .add(button("order.up", place.checked_sub(1), ["up-", &id].concat(), "↑"))
                    .add(button("order.down", (place < last).then_some(place + 1), ["down-", &id].concat(), "↓"))
                    .done(),
            )
        });
        el("ol.order").all(rows).done()
    }

    fn view_matching(&self, link: &Scope<Self>, question: &QuestionView, given: &Given, closed: bool) -> Html {
        let rows = question.lefts.iter().map(|left| {
            let chosen = given.pairs.iter().find(|(l, _)| *l == left.id).map(|(_, right)| *right);
            let (id, left_id) = (question.id, left.id);
            let rights: Vec<ChoiceId> = question.rights.iter().map(|right| right.id).collect();
            let pair = move |event: &_| {
                // The first option is to choose nothing.
                let place = usize::try_from(device::index(event) - 1).ok();
                let right = place.and_then(|place| rights.get(place)).copied();
                Some(Msg::Quiz(QuizMsg::Pair(id, left_id, right)))
            };
            let name = left.text.as_ref().map(|text| device::plain(&text.value)).unwrap_or_default();
            let options = question.rights.iter().map(|right| {
                let option = el("option").set("value", &right.id.to_string());
                let option = option.flag("selected", chosen == Some(right.id));
                match &right.text {
                    Some(text) => option.set("lang", text.lang.as_str()).text(&device::plain(&text.value)),
                    None => option,
                }
                .done()
            });
            let nothing = el("option|value=").flag("selected", chosen.is_none()).say(&self.words, "choose").done();
            let select = el("select|part=select")
                .set("aria-label", &name)
                .flag("disabled", closed)
                .hear("change", link, Box::new(pair))
                .add(nothing)
                .all(options)
                .done();
            el("div.pair")
                .key(&left_id.to_string())
                .add(el("span.text").add(self.choice_text(left)).done())
                .add(select)
                .done()
        });
        el("div.pairs").all(rows).done()
    }

    /// What a choice, an item or a side says, by its id.
    pub(crate) fn name_of(&self, question: &QuestionView, id: ChoiceId) -> Html {
        let mut all = question.choices.iter().chain(&question.items).chain(&question.lefts).chain(&question.rights);
        all.find(|choice| choice.id == id).map(|choice| self.choice_text(choice)).unwrap_or_default()
    }
}
