//! The rules of tracks as properties: whatever is done, in whatever order, they hold.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jalon_shared::{
    EnrollmentId, GuestId, Learner, Score, SiteId, StepId, Timestamp, TrackId, UserId,
    track::{
        self, Command, Enrollment, Outline, OutlineStep, Progress, Refusal, StepProgress, StepState, TrackEvent,
        enrollment::Attempt, merge,
    },
};
use proptest::prelude::*;
use uuid::Uuid;

fn step_id(n: u16) -> StepId {
    StepId(Uuid::from_u128(u128::from(n)))
}

fn score(hundredths: i64) -> Score {
    Score::from_hundredths(hundredths).unwrap()
}

fn outlines() -> impl Strategy<Value = Outline> {
    proptest::collection::vec((any::<bool>(), proptest::option::of(proptest::option::of(0_i64..=10_000))), 1..8)
        .prop_map(|steps| Outline {
            steps: steps
                .into_iter()
                .zip(1..)
                .map(|((required, quiz), order)| OutlineStep {
                    id: step_id(order),
                    order,
                    required,
                    pass_mark: quiz.flatten().map(score),
                    scored: quiz.is_some(),
                    film_seconds: None,
                    lesson: false,
                })
                .collect(),
        })
}

#[derive(Clone, Debug)]
struct Doing {
    step: u16,
    hundredths: i64,
    seconds: u32,
    position: Option<u32>,
    report: bool,
    after: i64,
}

fn doings() -> impl Strategy<Value = Vec<Doing>> {
    let one = (1_u16..9, 0_i64..=10_000, 0_u32..500, proptest::option::of(0_u32..500), any::<bool>(), 0_i64..100_000);
    proptest::collection::vec(
        one.prop_map(|(step, hundredths, seconds, position, report, after)| Doing {
            step,
            hundredths,
            seconds,
            position,
            report,
            after,
        }),
        0..40,
    )
}

fn command(outline: &Outline, doing: &Doing) -> Command {
    let step = step_id(doing.step);
    let scored = outline.step(step).is_some_and(|step| step.scored);
    if doing.report {
        return Command::Report { step, time_spent_seconds: doing.seconds, last_position: doing.position };
    }
    let attempt = scored.then(|| Attempt {
        answers: Vec::new(),
        score: score(doing.hundredths),
        questions: Vec::new(),
        max_attempts: Some(6),
        cooldown_seconds: 20,
    });
    Command::Advance { step, time_spent_seconds: doing.seconds, last_position: doing.position, attempt, lesson: None }
}

fn started(n: u128, learner: Learner) -> TrackEvent {
    TrackEvent::Started {
        enrollment_id: EnrollmentId(Uuid::from_u128(n)),
        site_id: SiteId(Uuid::nil()),
        track_id: TrackId(Uuid::nil()),
        track_version: 1,
        learner,
        lang: None,
        at: Timestamp(1_000_000),
    }
}

/// Does it all; answers the enrollment and every event of it.
fn live(outline: &Outline, doings: &[Doing], n: u128, learner: Learner) -> (Enrollment, Vec<TrackEvent>) {
    let mut events = vec![started(n, learner)];
    let mut enrollment = Enrollment::begun(&events[0]).unwrap();
    let mut now = Timestamp(1_000_000);
    for doing in doings {
        now.0 += doing.after;
        if let Ok(happened) = track::decide(outline, &enrollment.progress, &command(outline, doing), now) {
            for event in happened {
                enrollment.apply(&event);
                events.push(event);
            }
        }
    }
    (enrollment, events)
}

fn guest(n: u128) -> Learner {
    Learner::Guest(GuestId(Uuid::from_u128(n)))
}

fn user() -> Learner {
    Learner::User(UserId::parse("u-42").unwrap())
}

/// What must never get less.
fn assert_not_less(before: &Progress, after: &Progress) -> Result<(), TestCaseError> {
    prop_assert!(
        before.completed_at.is_none() || after.completed_at.is_some_and(|at| at <= before.completed_at.unwrap()),
        "G5, T1: complete stays complete"
    );
    prop_assert!(after.score >= before.score);
    prop_assert!(after.started_at <= before.started_at);
    for (id, step) in &before.steps {
        let later = &after.steps[id];
        prop_assert!(
            later.score >= step.score
                && later.attempt_count >= step.attempt_count
                && later.time_spent_seconds >= step.time_spent_seconds
        );
        prop_assert!(
            step.completed_at.is_none() || later.completed_at.is_some_and(|at| at <= step.completed_at.unwrap())
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// G1, G2, G3, G5, S3, T1: over any life of an enrollment.
    #[test]
    fn g1_to_g5_hold_over_any_life(outline in outlines(), doings in doings()) {
        let mut progress = Progress::begun(Timestamp(1_000_000));
        let mut now = Timestamp(1_000_000);
        let mut completions = 0;
        for doing in &doings {
            now.0 += doing.after;
            let command = command(&outline, doing);
            let before = progress.clone();
            let blocked = outline.step(step_id(doing.step)).and_then(|step| {
                outline.steps.iter().find(|other| other.order < step.order && other.required && !before.is_complete(other.id)).filter(|_| !before.is_complete(step.id))
            });
            match track::decide(&outline, &before, &command, now) {
                Ok(events) => {
                    prop_assert!(blocked.is_none(), "G1: nothing happens behind a lock");
                    for event in &events {
                        track::apply(&mut progress, event);
                        completions += u32::from(matches!(event, TrackEvent::Completed { .. }));
                    }
                    if let (Some(step), Command::Advance { attempt: Some(attempt), .. }) = (outline.step(step_id(doing.step)), &command) {
                        let passed = step.pass_mark.is_none_or(|mark| attempt.score >= mark);
                        prop_assert!(before.is_complete(step.id) || progress.is_complete(step.id) == passed, "G3: the mark completes it, nothing else does");
                    }
                }
                Err(Refusal::StepOutOfOrder { blocking }) => prop_assert_eq!(Some(&blocking), blocked, "G2: the first blocking step is named"),
                Err(_) => prop_assert!(blocked.is_none(), "G2 comes before any other refusal"),
            }
            assert_not_less(&before, &progress)?;
            prop_assert!(before.completed_at.is_none() || before.score == progress.score, "S3: frozen");
            prop_assert_eq!(outline.is_complete(&progress), progress.completed_at.is_some(), "G5");
            prop_assert_eq!(progress.current_step_order, outline.current_step_order(&progress));
        }
        prop_assert!(completions <= 1, "W1: at most one completion");
    }

    /// G4: a completed step answers as it is, unless the score is better.
    #[test]
    fn g4_a_completed_step_is_left_alone(outline in outlines(), doings in doings(), again in 0_i64..=10_000) {
        let (enrollment, _) = live(&outline, &doings, 1, user());
        for step in outline.steps.iter().filter(|step| enrollment.progress.is_complete(step.id)) {
            let doing = Doing { step: step.order, hundredths: again, seconds: 5, position: None, report: false, after: 0 };
            let events = track::decide(&outline, &enrollment.progress, &command(&outline, &doing), Timestamp(i64::MAX / 2)).unwrap();
            let done = &enrollment.progress.steps[&step.id];
            // S4: what is graded is an attempt, better or not.
            prop_assert_eq!(events.len(), usize::from(step.scored && done.attempt_count < 6));
            let completes = events.iter().any(|event| matches!(event, TrackEvent::Completed { .. } | TrackEvent::StepCompleted { .. }));
            prop_assert!(!completes);
        }
    }

    /// V1: its events alone give the enrollment, bit for bit, and survive being written down.
    #[test]
    fn v1_replay_gives_the_row(outline in outlines(), doings in doings()) {
        let (enrollment, events) = live(&outline, &doings, 1, user());
        let written: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        let read: Vec<TrackEvent> = written.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        let again = track::replay(&read).unwrap();
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&enrollment).unwrap());
        prop_assert_eq!(again.version, events.len() as u64);
    }

    /// G7: what goes over the wire is enough for the widget to decide as the server does.
    #[test]
    fn g7_the_wire_carries_what_deciding_needs(outline in outlines(), doings in doings(), next in 1_u16..9) {
        let (enrollment, _) = live(&outline, &doings, 1, user());
        let track = jalon_shared::wire::enrollment::TrackRef {
            slug: track::TrackSlug::parse("a").unwrap(), track_type: track::TrackType::BeginnerIntro, version: 1,
        };
        let wire = jalon_shared::wire::enrollment::Enrollment::new(&enrollment, &outline, "fpsf", track);
        let wire: jalon_shared::wire::enrollment::Enrollment = serde_json::from_str(&serde_json::to_string(&wire).unwrap()).unwrap();
        let doing = Doing { step: next, hundredths: 5000, seconds: 1, position: None, report: false, after: 0 };
        let command = command(&outline, &doing);
        // Up to when time is accounted for stays on the server: the widget's times are guesses.
        let known = Progress { accounted_until: None, ..enrollment.progress.clone() };
        prop_assert_eq!(
            track::decide(&outline, &wire.progress(), &command, Timestamp(9_000_000)),
            track::decide(&outline, &known, &command, Timestamp(9_000_000))
        );
        for (step, seen) in outline.steps.iter().zip(&wire.steps) {
            prop_assert_eq!(outline.state(step, &enrollment.progress), seen.state);
            prop_assert_eq!(seen.state == StepState::Locked, seen.blocked_by.is_some());
        }
    }

    /// M2, M4: nothing is lost, nothing gets less, for the member or for the guest.
    #[test]
    fn m2_m4_a_merge_loses_nothing(outline in outlines(), own in doings(), theirs in doings()) {
        let (mut member, mut events) = live(&outline, &own, 1, user());
        let (guest, _) = live(&outline, &theirs, 2, guest(2));
        let before = member.clone();
        let happened = merge::decide_merge(&[&outline, &outline], &member, &guest, Timestamp(5_000_000));
        for event in &happened {
            member.apply(event);
        }
        assert_not_less(&before.progress, &member.progress)?;
        assert_not_less(&guest.progress, &member.progress)?;
        prop_assert_eq!(member.progress.current_step_order, before.progress.current_step_order.max(guest.progress.current_step_order), "M2");
        prop_assert_eq!(member.progress.time_spent_seconds(), before.progress.time_spent_seconds() + guest.progress.time_spent_seconds());
        prop_assert_eq!(member.id, before.id);
        prop_assert_eq!(outline.is_complete(&member.progress), member.progress.completed_at.is_some(), "G5 holds after a merge");
        let announced = happened.iter().filter(|event| matches!(event, TrackEvent::Completed { .. })).count();
        prop_assert_eq!(announced == 1, before.progress.completed_at.is_none() && member.progress.completed_at.is_some(), "M6");
        events.extend(happened);
        prop_assert_eq!(track::replay(&events).unwrap(), member, "V1 through a merge");
    }

    /// M3: guests A then B is guests B then A, in everything that was learned.
    #[test]
    fn m3_the_order_of_merges_does_not_matter(outline in outlines(), own in proptest::option::of(doings()), a in doings(), b in doings()) {
        let (a, _) = live(&outline, &a, 2, guest(2));
        let (b, _) = live(&outline, &b, 3, guest(3));
        let merged = |guests: [&Enrollment; 2]| {
            let mut member = own.as_ref().map(|own| live(&outline, own, 1, user()).0);
            for guest in guests {
                member = Some(if let Some(mut member) = member {
                    for event in merge::decide_merge(&[&outline, &outline], &member, guest, Timestamp(5_000_000)) {
                        member.apply(&event);
                    }
                    member
                } else {
                    let mut member = guest.clone();
                    for event in merge::decide_move(guest, &UserId::parse("u-42").unwrap(), Timestamp(5_000_000)) {
                        member.apply(&event);
                    }
                    member
                });
            }
            member.unwrap().progress
        };
        prop_assert_eq!(merged([&a, &b]), merged([&b, &a]));
    }
}

#[test]
fn m1_m6_a_finished_guest_changes_owner_and_is_announced() {
    let outline = Outline {
        steps: vec![OutlineStep {
            id: step_id(1),
            order: 1,
            required: true,
            pass_mark: None,
            scored: false,
            film_seconds: None,
            lesson: false,
        }],
    };
    let doing = Doing { step: 1, hundredths: 0, seconds: 5, position: None, report: false, after: 7 };
    let (before, mut events) = live(&outline, &[doing], 2, guest(2));
    let happened = merge::decide_move(&before, &UserId::parse("u-42").unwrap(), Timestamp(5_000_000));
    assert!(matches!(
        happened.as_slice(),
        [TrackEvent::Moved { .. }, TrackEvent::Completed { merged_from_guest: true, at: Timestamp(1_000_007), .. }]
    ));
    let mut after = before.clone();
    for event in &happened {
        after.apply(event);
    }
    assert_eq!(
        (after.id, &after.learner, &after.progress),
        (before.id, &user(), &before.progress),
        "M1: the same enrollment, another owner"
    );
    events.extend(happened);
    assert_eq!(track::replay(&events).unwrap(), after, "V1");
}

#[test]
fn t1_m4_a_newer_version_takes_nothing_away() {
    let step = |n: u16| OutlineStep {
        id: step_id(n),
        order: n,
        required: true,
        pass_mark: None,
        scored: false,
        film_seconds: None,
        lesson: false,
    };
    let old = Outline { steps: vec![step(1)] };
    let newer = Outline { steps: vec![step(1), step(2)] };
    let doing = Doing { step: 1, hundredths: 0, seconds: 5, position: None, report: false, after: 7 };
    let (mut member, _) = live(&old, &[doing], 1, user());
    let (mut guest, _) = live(&newer, &[], 2, guest(2));
    guest.track_version = 2;
    for event in merge::decide_merge(&[&newer, &old], &member.clone(), &guest, Timestamp(5_000_000)) {
        member.apply(&event);
    }
    assert_eq!(member.track_version, 2);
    assert_eq!(member.progress.completed_at, Some(Timestamp(1_000_007)), "finished stays finished");
    assert_eq!(
        merge::steps_from_guest(
            None,
            &Progress { steps: BTreeMap::from([(step_id(1), StepProgress::default())]), ..member.progress }
        ),
        []
    );
}

/// A lesson is done in its course: nothing but that completes the step, the mark holds, a better score counts later.
#[test]
fn g3_g4_a_lesson_step_is_completed_by_its_lesson_alone() {
    let step = OutlineStep {
        id: step_id(1),
        order: 1,
        required: true,
        pass_mark: Some(Score::ratio(1, 2)),
        scored: true,
        film_seconds: None,
        lesson: true,
    };
    let outline = Outline { steps: vec![step] };
    let mut progress = Progress::begun(Timestamp(0));
    let mut advance = |score: Option<Option<Score>>, answers: bool| {
        let attempt = answers.then(|| Attempt {
            answers: Vec::new(),
            score: Score::FULL,
            questions: Vec::new(),
            max_attempts: None,
            cooldown_seconds: 0,
        });
        let lesson = score.map(|score| track::enrollment::LessonDone { score });
        let command =
            Command::Advance { step: step_id(1), time_spent_seconds: 7, last_position: None, attempt, lesson };
        let happened = track::decide(&outline, &progress, &command, Timestamp(1))?;
        for event in &happened {
            track::apply(&mut progress, event);
        }
        let names: Vec<_> = happened.iter().map(TrackEvent::name).collect();
        Ok((names, progress.steps.get(&step_id(1)).and_then(|step| step.score), progress.score))
    };
    let of = |part: u64| Some(Some(Score::ratio(part, 4)));
    assert_eq!(advance(None, false), Err(track::Refusal::LessonIncomplete));
    assert_eq!(advance(of(4), true), Err(track::Refusal::NoQuestions));
    let below = Some(Score::ratio(1, 4));
    assert_eq!(advance(of(1), false), Ok((vec!["lesson.scored", "step.progressed"], below, None)));
    let half = Some(Score::ratio(1, 2));
    assert_eq!(advance(of(2), false), Ok((vec!["lesson.scored", "step.completed", "track.completed"], half, half)));
    assert_eq!(advance(of(1), false), Ok((vec![], half, half)), "G4");
    assert_eq!(advance(None, false), Ok((vec![], half, half)), "G4");
    assert_eq!(advance(of(4), false), Ok((vec!["lesson.scored"], Some(Score::FULL), half)), "S3");
}
