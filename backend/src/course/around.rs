//! What stands around an item's own text and is not the version's: what became of open answers, an article of
//! somebody else's, who else takes the course.

use std::sync::Arc;

use jalon_shared::{
    Lang, Timestamp,
    course::{Enrollment, Item, ItemQuiz, ItemTarget, source::Shortcode},
    wire::{
        article::ArticleView,
        course::{Evaluation, Peers},
    },
};

use super::{evaluation, store};
use crate::{app::AppState, db::DbError, http::ApiResult, site::Site};

/// How long somebody who did something is here, in seconds.
const HERE_SECONDS: i64 = 5 * 60;

/// What stands around an item.
#[derive(Debug, Default)]
pub struct Around {
    /// The learner's open answers, oldest first.
    pub open_answers: Vec<store::OpenAnswer>,
    /// The article, where the item shows one.
    pub article: Option<ArticleView>,
    /// Others who take the course, where a shortcode asks for them.
    pub peers: Option<Peers>,
    /// What the learner said of the course, where a shortcode asks for it.
    pub evaluation: Option<Evaluation>,
}

/// The language an article is asked for: the first wanted one that the site has, else the lesson's own.
fn language(site: &Site, wanted: &[Lang], source: &Lang) -> Lang {
    let has = |lang: &&Lang| site.languages.contains(lang) || **lang == site.default_lang || *lang == source;
    wanted.iter().find(has).unwrap_or(source).clone()
}

/// Reads what stands around an item that may be opened.
pub async fn of_item(
    app: &AppState,
    site: &Arc<Site>,
    enrollment: &Enrollment,
    (item, source): (&Item, &Lang),
    wanted: &[Lang],
    now: Timestamp,
) -> ApiResult<Around> {
    let asks = |code: Shortcode| item.shortcodes.contains(&code);
    // Answers to questions that the version no longer has stay the learner's to read.
    let gone = |quiz: &ItemQuiz| enrollment.progress.quiz(item.id, quiz.id).is_some_and(|done| !done.gone.is_empty());
    let open = item.quizzes.iter().any(|quiz| quiz.has_open() || gone(quiz));
    let peers = asks(Shortcode::PeersOnline) || asks(Shortcode::PeersOffline);
    let evaluates = asks(Shortcode::CourseEvaluation);
    let mut around = Around::default();
    if open || peers || evaluates {
        let (site, id, course, item) = (site.id, enrollment.id, enrollment.course_id, item.id);
        around = app
            .db
            .read(move |tx| {
                Box::pin(async move {
                    let mut around = Around::default();
                    if open {
                        around.open_answers = store::open_answers_of_item(tx, site, id, item).await?;
                    }
                    if peers {
                        let since = Timestamp(now.0 - HERE_SECONDS * 1000);
                        around.peers = Some(store::peers(tx, course, id, since).await?);
                    }
                    if evaluates {
                        around.evaluation = evaluation::of_enrollment(tx, site, id).await?;
                    }
                    Ok::<_, DbError>(around)
                })
            })
            .await?;
    }
    if let ItemTarget::Article(article) = &item.target {
        around.article = Some(app.articles.view(site.id, article, language(site, wanted, source), now).await?);
    }
    Ok(around)
}
