//! A guest becomes a member (M1–M8): asking, merging, and the receipt. Merging unasked is for sites that
//! say so: on a shared tablet the guest may have been somebody else.

use jalon_shared::wire::merge::{MergeOutcome, MergeReceipt, MergedTrack};
use wasm_bindgen::JsValue;
use yew::{Html, html::Scope};

use crate::{
    api::Failure,
    app::{App, Msg},
    device,
    draw::{el, p},
    identity::{self, Guest, Offer},
    js, outbox, task,
};

/// Where the merge stands.
pub enum Merge {
    /// Nothing to merge.
    None,
    /// The learner is asked.
    Asked {
        /// Whose work it is.
        guest: Guest,
        /// What would be added.
        offers: Vec<Offer>,
        /// Under way.
        busy: bool,
        /// What went wrong with the last try.
        failed: bool,
    },
}

impl App {
    pub(crate) fn offer(&mut self, link: &Scope<Self>, guest: Guest, mut offers: Vec<Offer>) {
        offers.retain(|offer| offer.steps > 0 || offer.attempts > 0);
        if offers.is_empty() {
            // A guest who did nothing has nothing to give.
            return;
        }
        self.merge = Merge::Asked { guest, offers, busy: false, failed: false };
        if self.merges_unasked() {
            self.accept(link);
        } else {
            self.say(&self.words.t("merge.title"));
        }
    }

    pub(crate) fn accept(&mut self, link: &Scope<Self>) {
        let Merge::Asked { guest, busy, failed, .. } = &mut self.merge else {
            return;
        };
        if std::mem::replace(busy, true) {
            return;
        }
        *failed = false;
        let guest = guest.clone();
        let Some(member) = self.member.clone() else {
            return;
        };
        let (turn, api, link) = (self.turn(), self.api.clone(), link.clone());
        task::spawn(async move {
            // What the guest still has to send goes first, under the guest's name.
            outbox::drain(api.clone(), Some(member.clone()), Box::new(|_| {})).await;
            let merged = identity::merge(&api, &guest, &member).await;
            link.send_message(Msg::Merged(turn, Box::new(merged)));
        });
    }

    pub(crate) fn decline(&mut self, _link: &Scope<Self>) {
        if let (Merge::Asked { guest, .. }, Some(member)) =
            (std::mem::replace(&mut self.merge, Merge::None), &self.member)
        {
            let api = self.api.clone();
            let guest = Guest { declined_by: Some(member.subject.clone()), ..guest };
            task::spawn(async move {
                guest.keep(&api).await;
            });
            self.say(&self.words.t("merge.declined"));
            self.notice = Some(self.words.t("merge.declined"));
            self.focus_on("jalon-heading".to_owned());
        }
    }

    pub(crate) fn take_merged(&mut self, link: &Scope<Self>, merged: Result<MergeReceipt, Failure>) {
        match merged {
            Ok(receipt) => {
                self.merge = Merge::None;
                self.has_guest = false;
                let tracks = receipt.tracks.iter().map(|track| {
                    js::object(&[
                        ("track", JsValue::from_str(track.track.as_str())),
                        ("current_step_order", track.current_step_order.into()),
                        ("completed_by_merge", track.completed_by_merge.into()),
                    ])
                });
                self.emit("merged", &[("tracks", js::array(tracks))]);
                let completed =
                    receipt.tracks.iter().any(|track| track.track.as_str() == self.slug() && track.completed_by_merge);
                if completed {
                    self.emit("completed", &[("by_merge", true.into())]);
                }
                self.say(&self.words.t("receipt.title"));
                self.begin_again(link);
                self.receipt = Some(receipt);
                self.focus_on("jalon-receipt".to_owned());
                device::tell("guest", &self.ear);
            }
            // The guest is somebody else's already, or is no more: there is nothing to ask about.
            Err(Failure::Refused(problem)) => {
                self.merge = Merge::None;
                let key = ["refused.", &problem.code].concat();
                let known = self.words.has(&key);
                let text = self.words.t(if known { &key } else { "refused" });
                self.say(&text);
                self.notice = Some(text);
                self.emit("error", &[("code", JsValue::from_str(&problem.code))]);
                let api = self.api.clone();
                task::spawn(async move { identity::drop_guest(&api).await });
            }
            Err(_) => {
                if let Merge::Asked { busy, failed, .. } = &mut self.merge {
                    (*busy, *failed) = (false, true);
                }
                self.say(&self.words.t("merge.failed"));
            }
        }
    }

    /// The title of a track, where this page knows it.
    fn track_name(&self, slug: &str) -> String {
        match &self.way {
            Some(way) if way.track.slug.as_str() == slug => way.track.title.value.clone(),
            _ => slug.replace('-', " "),
        }
    }

    pub(crate) fn view_merge(&self, link: &Scope<Self>) -> Option<Html> {
        let Merge::Asked { offers, busy, failed, .. } = &self.merge else {
            return None;
        };
        let words = &self.words;
        let rows = offers.iter().map(|offer| {
            let steps = words.count("merge.steps", offer.steps, &[]);
            let attempts = words.count("merge.attempts", offer.attempts, &[]);
            el("li")
                .add(el("b").text(&self.track_name(&offer.track)).done())
                .add(p("span", &[&steps, " · ", &attempts].concat()))
                .done()
        });
        let accept = el("button.main|part=button|data-jalon=merge-accept")
            .flag("disabled", *busy)
            .press(link, || Msg::Accept)
            .say(words, if *busy { "merge.busy" } else { "merge.accept" })
            .done();
        let decline = el("button.plain|part=button-secondary|data-jalon=merge-decline")
            .flag("disabled", *busy)
            .press(link, || Msg::Decline)
            .say(words, "merge.decline")
            .done();
        let ask =
            el("section.panel ask|role=dialog|aria-labelledby=jalon-merge|part=merge-dialog|data-jalon=merge-dialog")
                .add(el("h3|id=jalon-merge").say(words, "merge.title").done())
                .add(p("p", &words.t("merge.text")))
                .add(el("ul.sums").all(rows).done())
                .maybe(failed.then(|| p("p.bad", &words.t("merge.failed"))))
                .add(el("div.row").add(accept).add(decline).done());
        Some(ask.done())
    }

    pub(crate) fn view_receipt(&self, link: &Scope<Self>) -> Option<Html> {
        let receipt = self.receipt.as_ref()?;
        let words = &self.words;
        let said = el("section.panel good|aria-labelledby=jalon-receipt|part=receipt|data-jalon=receipt")
            .add(el("h3|id=jalon-receipt|tabindex=-1").say(words, "receipt.title").done())
            .add(el("ul.sums").all(receipt.tracks.iter().map(|track| self.view_merged(track))).done())
            .add(el("button.plain|part=button-secondary").press(link, || Msg::Dismiss).say(words, "close").done());
        Some(said.done())
    }

    fn view_merged(&self, track: &MergedTrack) -> Html {
        let words = &self.words;
        let outcome = words.t(match track.outcome {
            MergeOutcome::Moved => "receipt.moved",
            MergeOutcome::Merged => "receipt.merged",
            MergeOutcome::Kept => "receipt.kept",
        });
        let list: Vec<String> = track.steps_from_guest.iter().map(|order| words.number(f64::from(*order))).collect();
        let now = words.with("receipt.now", &[("n", &words.number(f64::from(track.current_step_order)))]);
        let from_guest = (!list.is_empty()).then(|| words.with("receipt.steps", &[("list", &list.join(", "))]));
        el("li")
            .add(el("b").text(&self.track_name(track.track.as_str())).done())
            .add(p("span", &outcome))
            .maybe(from_guest.map(|said| p("span", &said)))
            .add(p("span", &now))
            .maybe(track.completed_by_merge.then(|| p("span.done", &words.t("receipt.completed"))))
            .done()
    }
}
