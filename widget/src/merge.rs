//! A guest becomes a member (M1–M8): asking, merging, and the receipt. Merging unasked is for sites that
//! say so: on a shared tablet the guest may have been somebody else.

use jalon_shared::wire::merge::{MergeOutcome, MergeReceipt, MergedTrack};
use wasm_bindgen::JsValue;
use yew::{Html, html, html::Scope};

use crate::{
    api::Failure,
    app::{App, Msg},
    device,
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
        match &self.track {
            Some(track) if track.slug.as_str() == slug => track.title.value.clone(),
            _ => slug.replace('-', " "),
        }
    }

    pub(crate) fn view_merge(&self, link: &Scope<Self>) -> Html {
        let Merge::Asked { offers, busy, failed, .. } = &self.merge else {
            return html! {};
        };
        let words = &self.words;
        let rows = offers.iter().map(|offer| {
            let steps = words.count("merge.steps", offer.steps, &[]);
            let attempts = words.count("merge.attempts", offer.attempts, &[]);
            html! { <li><b>{self.track_name(&offer.track)}</b><span>{steps}{" · "}{attempts}</span></li> }
        });
        html! {
            <section class="panel ask" role="dialog" aria-labelledby="jalon-merge" part="merge-dialog" data-jalon="merge-dialog">
                <h3 id="jalon-merge">{words.t("merge.title")}</h3>
                <p>{words.t("merge.text")}</p>
                <ul class="sums">{for rows}</ul>
                if *failed { <p class="bad">{words.t("merge.failed")}</p> }
                <div class="row">
                    <button class="main" part="button" data-jalon="merge-accept" disabled={*busy} onclick={link.callback(|_| Msg::Accept)}>
                        {words.t(if *busy { "merge.busy" } else { "merge.accept" })}
                    </button>
                    <button class="plain" part="button-secondary" data-jalon="merge-decline" disabled={*busy} onclick={link.callback(|_| Msg::Decline)}>
                        {words.t("merge.decline")}
                    </button>
                </div>
            </section>
        }
    }

    pub(crate) fn view_receipt(&self, link: &Scope<Self>) -> Html {
        let Some(receipt) = &self.receipt else {
            return html! {};
        };
        let words = &self.words;
        html! {
            <section class="panel good" aria-labelledby="jalon-receipt" part="receipt" data-jalon="receipt">
                <h3 id="jalon-receipt" tabindex="-1">{words.t("receipt.title")}</h3>
                <ul class="sums">{for receipt.tracks.iter().map(|track| self.view_merged(track))}</ul>
                <button class="plain" part="button-secondary" onclick={link.callback(|_| Msg::Dismiss)}>{words.t("close")}</button>
            </section>
        }
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
        html! {
            <li>
                <b>{self.track_name(track.track.as_str())}</b>
                <span>{outcome}</span>
                if !list.is_empty() {
                    <span>{words.with("receipt.steps", &[("list", &list.join(", "))])}</span>
                }
                <span>{now}</span>
                if track.completed_by_merge { <span class="done">{words.t("receipt.completed")}</span> }
            </li>
        }
    }
}
