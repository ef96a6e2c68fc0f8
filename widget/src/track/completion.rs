//! The end of the track.

use yew::{Html, html, html::Scope};

use crate::{
    app::{App, Msg},
    shell::{DONE, icon},
};

impl App {
    pub(crate) fn view_completion(&self, link: &Scope<Self>) -> Html {
        let words = &self.words;
        // The score is the server's to say (S3, S4).
        let confirmed = self.session.base.as_ref().and_then(|base| base.completed_at.map(|at| (at, base.score)));
        let open = self.session.next_open(1);
        html! {
            <article class="stage end" data-jalon="completion" part="completion" aria-labelledby="jalon-heading">
                <span class="medal">{icon(DONE)}</span>
                <h3 id="jalon-heading" tabindex="-1" part="heading">{words.t("completed.title")}</h3>
                if let Some((at, score)) = confirmed {
                    if let Some(score) = score {
                        <p class="figure" data-jalon="score" part="score">{words.score(score)}</p>
                        <p class="soft">{words.t("completed.score")}</p>
                    }
                    <p>{words.with("completed.at", &[("date", &words.moment(at))])}</p>
                } else {
                    <p>{words.t("completed.unsaved")}</p>
                }
                if let Some(order) = open {
                    <p>{words.t("completed.more")}</p>
                    <button class="plain" part="button-secondary" onclick={link.callback(move |_| Msg::Open(order))}>{words.t("completed.open")}</button>
                }
            </article>
        }
    }
}
