//! One question, of each kind; everything can be done with the keyboard, nothing needs dragging.

use jalon_shared::{
    ChoiceId,
    quiz::source::QuestionKindName,
    wire::quiz::{ChoiceView, QuestionResult, QuestionView},
};
use yew::{Event, Html, InputEvent, html, html::Scope};

use super::quiz::{Given, QuizMsg};
use crate::{
    app::{App, Msg},
    device,
    shell::inline,
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
        let control = match question.kind {
            QuestionKindName::SingleChoice | QuestionKindName::TrueFalse => {
                self.view_choices(link, question, given, closed, true)
            }
            QuestionKindName::MultipleChoice => self.view_choices(link, question, given, closed, false),
            QuestionKindName::Numeric | QuestionKindName::ShortText | QuestionKindName::OpenEnded => {
                Self::view_text(link, question, given, closed)
            }
            QuestionKindName::Ordering => self.view_ordering(link, question, given, closed),
            QuestionKindName::Matching => self.view_matching(link, question, given, closed),
        };
        #[expect(clippy::cast_precision_loss, reason = "a handful of questions")]
        let place = self.words.number((n + 1) as f64);
        let hint = match question.kind {
            QuestionKindName::MultipleChoice => "hint.multiple",
            QuestionKindName::Ordering => "hint.ordering",
            QuestionKindName::Matching => "hint.matching",
            QuestionKindName::Numeric => "hint.number",
            _ => "",
        };
        html! {
            <fieldset key={id.clone()} {id} tabindex="-1" class="question" part="question" data-jalon="question" data-kind={question.kind.as_str()}>
                <legend><span class="n">{place}</span>{inline(&question.prompt)}</legend>
                {self.view_fallback(&question.prompt)}
                if !hint.is_empty() && !closed { <p class="soft">{self.words.t(hint)}</p> }
                {control}
                {for result.map(|result| self.view_question_result(question, given, result))}
            </fieldset>
        }
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
            let onchange =
                link.callback(move |_: Event| Msg::Quiz(QuizMsg::Choose { question: id, choice: choice_id, only }));
            html! {
                <label key={choice_id.to_string()} class={if chosen { "choice chosen" } else { "choice" }} part="choice">
                    <input type={if only { "radio" } else { "checkbox" }} name={id.to_string()} value={choice_id.to_string()} checked={chosen} disabled={closed} {onchange} />
                    <span>{self.choice_text(choice)}</span>
                </label>
            }
        };
        html! { <div class="choices">{for question.choices.iter().map(row)}</div> }
    }

    /// What a choice says; true and false are the interface's words.
    pub(crate) fn choice_text(&self, choice: &ChoiceView) -> Html {
        match (&choice.text, choice.value) {
            (Some(text), _) => inline(text),
            (None, value) => html! { {self.words.t(if value == Some(true) { "true" } else { "false" })} },
        }
    }

    fn view_text(link: &Scope<Self>, question: &QuestionView, given: &Given, closed: bool) -> Html {
        let id = question.id;
        let numeric = question.kind == QuestionKindName::Numeric;
        let oninput = link.callback(move |event: InputEvent| Msg::Quiz(QuizMsg::Write(id, device::value(&event))));
        html! {
            <input class="field" part="input" type="text" inputmode={if numeric { "decimal" } else { "text" }} autocomplete="off" maxlength="500"
                   aria-label={device::plain(&question.prompt.value)} value={given.text.clone()} disabled={closed} {oninput} />
        }
    }

    fn view_ordering(&self, link: &Scope<Self>, question: &QuestionView, given: &Given, closed: bool) -> Html {
        let order: Vec<ChoiceId> = if given.ids.len() == question.items.len() {
            given.ids.clone()
        } else {
            question.items.iter().map(|item| item.id).collect()
        };
        let last = order.len().saturating_sub(1);
        let rows = order.iter().enumerate().filter_map(|(place, id)| {
            let item = question.items.iter().find(|item| item.id == *id)?;
            let name = item.text.as_ref().map(|text| device::plain(&text.value)).unwrap_or_default();
            let button = |key: &str, to: Option<usize>, id: String, sign: &str| {
                let (order, question) = (order.clone(), question.id);
                let onclick = link.batch_callback(move |_| {
                    Some(Msg::Quiz(QuizMsg::Move { question, order: order.clone(), from: place, to: to? }))
                });
                // Not `disabled`: the focus would be lost when an item reaches an end.
                html! {
                    <button type="button" class="tool" {id} aria-disabled={to.is_none().then_some("true")} disabled={closed}
                            aria-label={self.words.with(key, &[("item", &name)])} {onclick}>{sign}</button>
                }
            };
            Some(html! {
                <li key={id.to_string()} class="item">
                    <span class="text">{self.choice_text(item)}</span>
                    {button("order.up", place.checked_sub(1), ["up-", &id.to_string()].concat(), "↑")}
                    {button("order.down", (place < last).then_some(place + 1), ["down-", &id.to_string()].concat(), "↓")}
                </li>
            })
        });
        html! { <ol class="order">{for rows}</ol> }
    }

    fn view_matching(&self, link: &Scope<Self>, question: &QuestionView, given: &Given, closed: bool) -> Html {
        let rows = question.lefts.iter().map(|left| {
            let chosen = given.pairs.iter().find(|(l, _)| *l == left.id).map(|(_, right)| *right);
            let (id, left_id) = (question.id, left.id);
            let rights: Vec<ChoiceId> = question.rights.iter().map(|right| right.id).collect();
            let onchange = link.callback(move |event: Event| {
                // The first option is to choose nothing.
                let place = usize::try_from(device::index(&event) - 1).ok();
                let right = place.and_then(|place| rights.get(place)).copied();
                Msg::Quiz(QuizMsg::Pair(id, left_id, right))
            });
            let name = left.text.as_ref().map(|text| device::plain(&text.value)).unwrap_or_default();
            let options = question.rights.iter().map(|right| {
                let text = right.text.as_ref();
                html! {
                    <option value={right.id.to_string()} selected={chosen == Some(right.id)} lang={text.map(|text| text.lang.as_str().to_owned())}>
                        {text.map(|text| device::plain(&text.value)).unwrap_or_default()}
                    </option>
                }
            });
            html! {
                <div key={left.id.to_string()} class="pair">
                    <span class="text">{self.choice_text(left)}</span>
                    <select part="select" aria-label={name} disabled={closed} {onchange}>
                        <option value="" selected={chosen.is_none()}>{self.words.t("choose")}</option>
                        {for options}
                    </select>
                </div>
            }
        });
        html! { <div class="pairs">{for rows}</div> }
    }

    /// What a choice, an item or a side says, by its id.
    pub(crate) fn name_of(&self, question: &QuestionView, id: ChoiceId) -> Html {
        let all = question.choices.iter().chain(&question.items).chain(&question.lefts).chain(&question.rights);
        match all.clone().find(|choice| choice.id == id) {
            Some(choice) => self.choice_text(choice),
            None => html! {},
        }
    }
}
