use super::*;

const CODES: [Option<u16>; 17] = [
    None,
    Some(0),
    Some(99),
    Some(100),
    Some(101),
    Some(102),
    Some(103),
    Some(104),
    Some(200),
    Some(201),
    Some(202),
    Some(203),
    Some(204),
    Some(205),
    Some(206),
    Some(207),
    Some(900),
];

const FIRST: History = History { attempts: 1, negatives: 1, suspicious_losses: 0, committed: false };

fn acknowledgment(code: AckCode, error: Option<u16>, control_id: Match) -> Answer {
    let error = error.map(|code| ErrorCode { code, severity: Some('E') });
    Answer::Acknowledgment { code, error, control_id }
}

fn decided(answer: Answer, history: History) -> Disposition {
    decide(answer, history, false, &Policy::default())
}

#[test]
fn every_cell_of_the_table() {
    use Disposition::{DeadLetter, Delivered, KeepWaiting, RetryLost, RetryRefused};
    for code in AckCode::ALL {
        for error in CODES {
            for control_id in [Match::Own, Match::Other, Match::Blank] {
                let positive = matches!(code, AckCode::AA | AckCode::CA);
                let expected = match (control_id, positive, error) {
                    (Match::Other, ..) => KeepWaiting,
                    (Match::Own, true, _) => Delivered,
                    (Match::Blank, true, _) => RetryLost,
                    (_, false, Some(100..=104 | 200..=203 | 205)) => {
                        DeadLetter(Reason::NegativeAcknowledgment)
                    }
                    (_, false, _) => RetryRefused,
                };
                let answer = acknowledgment(code, error, control_id);
                assert_eq!(decided(answer, FIRST), expected, "{answer:?}");
            }
        }
    }
}

#[test]
fn only_a_positive_own_acknowledgment_or_a_known_repeat_delivers() {
    for code in AckCode::ALL {
        for error in CODES {
            for control_id in [Match::Own, Match::Other, Match::Blank] {
                for attempts in [1, 2] {
                    let answer = acknowledgment(code, error, control_id);
                    let delivered = decided(answer, History { attempts, ..FIRST }) == Disposition::Delivered;
                    let positive = matches!(code, AckCode::AA | AckCode::CA) && control_id == Match::Own;
                    let repeat = !matches!(code, AckCode::AA | AckCode::CA)
                        && error == Some(205)
                        && attempts > 1
                        && control_id != Match::Other;
                    assert_eq!(delivered, positive || repeat, "{answer:?} {attempts}");
                }
            }
        }
    }
}

#[test]
fn refusals_end_after_their_limit() {
    let policy = Policy::default();
    for (code, error, limit) in [
        (AckCode::AE, None, policy.max_errors),
        (AckCode::CE, Some(204), policy.max_errors),
        (AckCode::AR, None, policy.max_rejects),
        (AckCode::CR, None, policy.max_rejects),
        (AckCode::AE, Some(207), policy.max_passing_faults),
        (AckCode::AR, Some(206), policy.max_passing_faults),
    ] {
        let answer = acknowledgment(code, error, Match::Own);
        let at = |negatives| decided(answer, History { negatives, ..FIRST });
        assert_eq!(at(limit - 1), Disposition::RetryRefused, "{answer:?}");
        assert_eq!(at(limit), Disposition::DeadLetter(Reason::RetriesExhausted), "{answer:?}");
    }
}

#[test]
fn a_warning_is_tried_again() {
    for severity in ['W', 'I'] {
        let error = Some(ErrorCode { code: 101, severity: Some(severity) });
        let answer = Answer::Acknowledgment { code: AckCode::AE, error, control_id: Match::Own };
        assert_eq!(decided(answer, FIRST), Disposition::RetryRefused);
    }
}

#[test]
fn a_loss_never_counts_against_the_message_alone() {
    let many = History { attempts: 1000, negatives: 4, ..FIRST };
    assert_eq!(decided(Answer::Lost, many), Disposition::RetryLost);
    let killer = History { suspicious_losses: 3, ..many };
    assert_eq!(decided(Answer::Lost, killer), Disposition::DeadLetter(Reason::KillsPeer));
}

#[test]
fn after_a_commit_accept_nothing_is_sent_again() {
    let policy = Policy::default();
    let commit = acknowledgment(AckCode::CA, None, Match::Own);
    assert_eq!(decide(commit, FIRST, true, &policy), Disposition::AwaitApplication);
    let committed = History { committed: true, ..FIRST };
    let decided = |answer| decide(answer, committed, true, &policy);
    assert_eq!(decided(acknowledgment(AckCode::AA, None, Match::Own)), Disposition::Delivered);
    assert_eq!(decided(Answer::Lost), Disposition::Delivered);
    let negative = acknowledgment(AckCode::AE, Some(207), Match::Own);
    assert_eq!(decided(negative), Disposition::DeadLetter(Reason::ApplicationNegative));
}

#[test]
fn blank_ids_count_only_when_allowed() {
    let policy = Policy { accept_blank_control_id: true, ..Policy::default() };
    let blank = acknowledgment(AckCode::AA, None, Match::Blank);
    assert_eq!(decide(blank, FIRST, false, &policy), Disposition::Delivered);
}

#[test]
fn junk_keeps_waiting() {
    assert_eq!(decided(Answer::Other, FIRST), Disposition::KeepWaiting);
}
