//! Courses to choose from (`<jalon-catalog>`), and those that the learner takes (`<jalon-progress>`).

use jalon_shared::Score;
use yew::{Html, html::Scope};

use crate::{
    app::{App, Msg},
    device,
    draw::{El, el, p, text},
    shell::{DONE, bones, icon, rich},
    work::{About, Mine, Way},
};

/// What may be wanted of a course.
#[derive(Clone, Copy)]
pub enum Wish {
    /// What it is about.
    Category,
    /// For whom it is.
    Difficulty,
    /// A language it has text in.
    Language,
    /// Words of its title or summary.
    Words,
}

impl App {
    fn wish(&self, wish: Wish) -> &str {
        &self.wishes[wish as usize]
    }

    fn is_wanted(&self, course: &About) -> bool {
        let one = |wish: Wish, has: &dyn Fn(&str) -> bool| self.wish(wish).is_empty() || has(self.wish(wish));
        one(Wish::Category, &|wanted| course.category == wanted)
            && one(Wish::Difficulty, &|wanted| course.difficulty == wanted)
            && one(Wish::Language, &|wanted| course.languages.iter().any(|lang| lang == wanted))
            && one(Wish::Words, &|wanted| {
                let said = [&course.title.value, " ", &device::plain(&course.summary.value)].concat();
                device::holds(&said, wanted)
            })
    }

    pub(crate) fn view_shelf(&self, link: &Scope<Self>) -> Html {
        let Some((courses, mine)) = &self.shelf else {
            return bones();
        };
        let card = el("section.card shelf|aria-labelledby=jalon-title|part=card");
        let main = if self.config.element == "progress" {
            self.view_progress(link, card, courses, mine)
        } else {
            self.view_catalog(link, card, courses, mine)
        };
        main.add(self.view_banners(link)).done()
    }

    fn view_catalog(&self, link: &Scope<Self>, card: El, courses: &[About], mine: &[Mine]) -> El {
        let words = &self.words;
        let (mut categories, mut difficulties, mut languages) = (Vec::new(), Vec::new(), Vec::new());
        let note = |known: &mut Vec<String>, value: &String| {
            if !known.contains(value) {
                known.push(value.clone());
            }
        };
        for course in courses {
            note(&mut categories, &course.category);
            course.languages.iter().for_each(|lang| note(&mut languages, lang));
        }
        for difficulty in ["beginner", "intermediate", "advanced"] {
            if courses.iter().any(|course| course.difficulty == difficulty) {
                difficulties.push(difficulty.to_owned());
            }
        }
        let choose = |wish: Wish, name: &str, values: &[String]| {
            let options = values.iter().map(|value| {
                let option = el("option").set("value", value).flag("selected", self.wish(wish) == value);
                match wish {
                    Wish::Language => option.set("lang", value).text(&device::intl("language", value, &value.into())),
                    _ => option.say(words, &[name, ".", value].concat()),
                }
                .done()
            });
            let any = el("option|value=").flag("selected", self.wish(wish).is_empty()).say(words, "filter.any").done();
            let select = el("select|part=select")
                .set("data-jalon", name)
                .hear("change", link, Box::new(move |event| Some(Msg::Wish(wish, device::value(event)))))
                .add(any)
                .all(options)
                .done();
            el("label").add(p("span", &words.t(name))).add(select).done()
        };
        let search = el("input.field|type=search|part=input|data-jalon=search")
            .value(self.wish(Wish::Words))
            .hear("input", link, Box::new(|event| Some(Msg::Wish(Wish::Words, device::value(event)))))
            .done();
        let filters = el("div.filters|role=search")
            .add(el("label.words").add(p("span", &words.t("search"))).add(search).done())
            .add(choose(Wish::Category, "category", &categories))
            .add(choose(Wish::Difficulty, "difficulty", &difficulties))
            .add(choose(Wish::Language, "language", &languages));
        let wanted: Vec<&About> = courses.iter().filter(|course| self.is_wanted(course)).collect();
        let found = words.count("courses", wanted.len() as u64, &[]);
        let cards = wanted.iter().map(|course| {
            let taken = mine.iter().find(|mine| mine.course.slug.as_str() == course.slug);
            self.view_card(link, course, taken)
        });
        card.add(
            el("header.head|part=header")
                .add(el("h2|id=jalon-title|tabindex=-1|part=title").say(words, "catalog").done())
                .add(filters.done())
                .add(p("p.soft|role=status|data-jalon=found", &found))
                .done(),
        )
        .add(el("ul.cards|data-jalon=courses").all(cards).done())
    }

    /// What a course is about and for whom.
    fn view_kind(&self, course: &About) -> Html {
        let category = self.words.t(&["category.", &course.category].concat());
        let difficulty = self.words.t(&["difficulty.", &course.difficulty].concat());
        el("p.tags").add(p("span.tag", &category)).add(p("span.tag", &difficulty)).done()
    }

    /// Lessons and points.
    fn view_size(&self, course: &About) -> Html {
        let words = &self.words;
        let points = words.with("points.worth", &[("n", &words.number(course.points_total))]);
        let lessons = words.count("lessons", u64::from(course.lessons_total), &[]);
        p("p.soft", &[&lessons, " · ", &points].concat())
    }

    fn view_card(&self, link: &Scope<Self>, course: &About, taken: Option<&Mine>) -> Html {
        let words = &self.words;
        let slug = course.slug.clone();
        let id = ["jalon-course-", &course.slug].concat();
        let key = match taken {
            None => "course.open",
            Some(taken) if taken.completed_at.is_some() => "course.look",
            Some(_) => "course.continue",
        };
        let button = el("button|part=button|data-jalon=choose")
            .set("class", if taken.is_some() { "main" } else { "plain" })
            .set("aria-describedby", &id)
            .press(link, move || Msg::Choose(slug.clone()))
            .say(words, key);
        el("li.course|part=course|data-jalon=course")
            .key(&course.slug)
            .set("data-course", &course.slug)
            .add(self.view_kind(course))
            .add(el("h3").set("id", &id).speaks(&course.title).text(&course.title.value).done())
            .maybe(self.view_fallback(&course.title))
            .add(rich(&course.summary))
            .add(self.view_size(course))
            .maybe(taken.map(|taken| self.view_share(taken)))
            .add(el("div.row actions").add(button.done()).done())
            .done()
    }

    /// How far the learner is.
    fn view_share(&self, taken: &Mine) -> Html {
        let words = &self.words;
        if let Some(at) = taken.completed_at {
            let said = words.with("completed.at", &[("date", &words.day(at))]);
            return el("p.done").add(icon(DONE)).text(" ").text(&said).done();
        }
        let share = taken.share();
        el("div.meter")
            .add(
                el("progress|part=progress|max=10000")
                    .set("value", &share.hundredths().to_string())
                    .set("aria-label", &words.t("progress.label"))
                    .done(),
            )
            .add(p("span", &words.score(share)))
            .done()
    }

    fn view_progress(&self, link: &Scope<Self>, card: El, courses: &[About], mine: &[Mine]) -> El {
        let words = &self.words;
        let head = el("header.head|part=header")
            .add(el("h2|id=jalon-title|tabindex=-1|part=title").say(words, "dashboard").done());
        if self.member.is_none() {
            let ask = el("div.panel|data-jalon=guest")
                .add(p("p", &words.t("dashboard.guest")))
                .add(self.view_login_button(link, "button.main|part=button"));
            return card.add(head.done()).add(ask.done());
        }
        let group = |mine: &Mine| match mine.completed_at {
            Some(_) => "completed",
            None if mine.share() == Score::ZERO => "started",
            None => "in_progress",
        };
        let groups = ["in_progress", "started", "completed"];
        let sums = groups.map(|name| {
            let n = mine.iter().filter(|mine| group(mine) == name).count();
            let n = words.number(f64::from(u32::try_from(n).unwrap_or(u32::MAX)));
            el("li").add(p("b", &n)).text(" ").add(p("span", &words.t(&["mine.", name].concat()))).done()
        });
        let head = head.add(el("ul.figures").all(sums).done()).done();
        if mine.is_empty() {
            return card.add(head).add(el("div.panel").say(words, "dashboard.empty").done());
        }
        let sections = groups.iter().filter_map(|name| {
            let mut rows = mine.iter().filter(|mine| group(mine) == *name).peekable();
            rows.peek()?;
            let rows = rows.map(|mine| {
                let course = courses.iter().find(|course| course.slug == mine.course.slug.as_str());
                self.view_mine(link, mine, course)
            });
            let section = el("section")
                .key(name)
                .set("data-jalon", name)
                .add(el("h3").say(words, &["mine.", name].concat()).done())
                .add(el("ul.cards").all(rows).done());
            Some(section.done())
        });
        card.add(head).add(el("div.groups").all(sections).done())
    }

    fn view_mine(&self, link: &Scope<Self>, mine: &Mine, course: Option<&About>) -> Html {
        let words = &self.words;
        let slug = mine.course.slug.to_string();
        let title = mine.course.title.as_ref().or(course.map(|course| &course.title));
        let name = match title {
            Some(title) => el("h4").speaks(title).text(&title.value),
            None => el("h4").text(&slug.replace('-', " ")),
        };
        let id = ["jalon-course-", &slug].concat();
        let key = if mine.completed_at.is_some() { "course.look" } else { "course.continue" };
        let to = slug.clone();
        let button = el("button|part=button|data-jalon=choose")
            .set("class", if mine.completed_at.is_some() { "plain" } else { "main" })
            .set("aria-describedby", &id)
            .press(link, move || Msg::Choose(to.clone()))
            .say(words, key);
        el("li.course|part=course|data-jalon=course")
            .key(&slug)
            .set("data-course", &slug)
            .maybe(course.map(|course| self.view_kind(course)))
            .add(name.set("id", &id).done())
            .add(self.view_share(mine))
            .add(self.view_points(mine.points()))
            .add(el("div.row actions").add(button.done()).done())
            .done()
    }

    /// Back to the list that the course was chosen from, or to the track that a lesson was opened by.
    pub(crate) fn view_home(&self, link: &Scope<Self>) -> Option<Html> {
        let button = el("button.link|part=button-secondary|data-jalon=home").press(link, || Msg::Home);
        if let Some(outer) = &self.outer {
            return Some(button.speaks(&outer.title).text(&outer.title.value).done());
        }
        let key = match &*self.config.element {
            "catalog" => "home.catalog",
            "progress" => "home.progress",
            _ => return None,
        };
        Some(button.say(&self.words, key).done())
    }

    /// A course for who doesn't take it yet: what it is, and the way in. Its outline stands beside.
    pub(crate) fn view_entrance(&self, link: &Scope<Self>, way: &Way) -> Html {
        let words = &self.words;
        let Some(course) = &way.course else {
            return text("");
        };
        let teachers = course.about.instructors.iter().map(|teacher| {
            el("li")
                .add(p("b", &teacher.name))
                .maybe(teacher.title.as_ref().map(|title| el("span.soft").speaks(title).text(&title.value).done()))
                .done()
        });
        let invitation = if self.member.is_none() {
            el("div.panel ask|data-jalon=invitation")
                .add(p("p", &words.t("course.members")))
                .add(self.view_login_button(link, "button.main|part=button"))
        } else {
            let enroll = el("button.main|part=button|data-jalon=enroll")
                .flag("disabled", self.enrolling)
                .press(link, || Msg::Enroll)
                .say(words, "course.enroll");
            el("div.row").add(enroll.done())
        };
        el("article.stage entrance|data-jalon=entrance|part=stage|aria-labelledby=jalon-heading")
            .add(self.view_kind(&course.about))
            .add(el("h3|id=jalon-heading|tabindex=-1|part=heading").say(words, "course.about").done())
            .maybe(self.view_fallback(&course.about.summary))
            .add(rich(&course.about.summary))
            .add(self.view_size(&course.about))
            .add(el("ul.teachers").set("aria-label", &words.t("instructors")).all(teachers).done())
            .add(invitation.done())
            .done()
    }
}
