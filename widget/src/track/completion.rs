//! The end of the track.

use yew::{Html, html::Scope};

use crate::{
    app::{App, Msg},
    draw::{el, p},
    shell::{DONE, icon},
};

impl App {
    pub(crate) fn view_completion(&self, link: &Scope<Self>) -> Html {
        let words = &self.words;
        // The score is the server's to say (S3, S4).
        let confirmed = self.session.base.as_ref().and_then(|base| base.completed_at.map(|at| (at, base.score)));
        let mut end = el("article.stage end|data-jalon=completion|part=completion|aria-labelledby=jalon-heading")
            .add(el("span.medal").add(icon(DONE)).done())
            .add(el("h3|id=jalon-heading|tabindex=-1|part=heading").say(words, "completed.title").done());
        if let Some((at, score)) = confirmed {
            if let Some(score) = score {
                end = end
                    .add(p("p.figure|data-jalon=score|part=score", &words.score(score)))
                    .add(p("p.soft", &words.t("completed.score")));
            }
            end = end.add(p("p", &words.with("completed.at", &[("date", &words.moment(at))])));
        } else {
            end = end.add(p("p", &words.t("completed.unsaved")));
        }
        if let Some(order) = self.session.next_open(1) {
            end = end.add(p("p", &words.t("completed.more"))).add(
                el("button.plain|part=button-secondary")
                    .press(link, move || Msg::Open(order))
                    .say(words, "completed.open")
                    .done(),
            );
        }
        end.done()
    }
}
