//! Guest and member: who learns here.

use yew::html::Scope;

use super::{App, Msg};
use crate::{
    device,
    identity::{self, Member},
    keys,
    merge::Merge,
    task,
};

impl App {
    /// Whose work it is, as keys name it.
    pub(crate) fn who(&self) -> String {
        self.member.as_ref().map_or_else(|| keys::GUEST.to_owned(), |member| keys::user(&member.subject))
    }

    pub(crate) fn identify(&mut self, link: &Scope<Self>, token: Option<String>) {
        let member = token.and_then(Member::read);
        let same = member.as_ref().map(|member| &member.subject) == self.member.as_ref().map(|member| &member.subject);
        if same {
            // The same member with a fresh token: what waited for it goes now.
            if let Some(member) = member {
                self.api.token = Some(member.token.clone());
                self.member = Some(member);
                self.unauthorized = false;
                self.read_enrollment(link);
                self.drain(link);
            }
            return;
        }
        self.report_position(link, 1);
        self.report_time(link);
        let left = self.member.take();
        self.member = member;
        self.merge = Merge::None;
        self.receipt = None;
        self.notice = None;
        self.api.token = None;
        if let (Some(left), None) = (left, &self.member) {
            // After a logout the next guest is a new one, and the member's way leaves the device; what
            // isn't sent stays for when they come back.
            let (api, link) = (self.api.clone(), link.clone());
            self.turn += 1;
            self.leave();
            self.way = None;
            self.shelf = None;
            self.knows = false;
            self.place = None;
            task::spawn(async move {
                identity::drop_guest(&api).await;
                device::forget_all(&keys::all_of(&api, &keys::user(&left.subject))).await;
                link.send_message(Msg::Heard("tab guest".to_owned()));
            });
            return;
        }
        self.begin_again(link);
    }

    pub(crate) fn forget(&mut self, link: &Scope<Self>) {
        let ear = self.ear.clone();
        let (api, link) = (self.api.clone(), link.clone());
        self.merge = Merge::None;
        task::spawn(async move {
            identity::drop_guest(&api).await;
            device::tell("guest", &ear);
            link.send_message(Msg::Heard("tab guest".to_owned()));
        });
    }

    pub(crate) fn login(&self) {
        let go_on = self.emit("login-requested", &[]);
        let address = self.site.as_ref().and_then(|site| site.login_url.as_deref());
        if let (true, Some(address)) = (go_on, address) {
            device::visit(address);
        }
    }

    /// Whether the site merges without asking.
    pub(crate) fn merges_unasked(&self) -> bool {
        self.config.merge == "auto"
    }
}
