//! Findings as text, as JSON, and as a report without names.

use std::fmt::Write as _;

use doctor::mask::Mask;
use doctor::{Finding, Sure};
use serde_json::{Value, json};

use super::Outcome;
use crate::ui::clean::{visible, visible_lines};
use crate::ui::colour::Paint;

/// For people.
pub fn page(outcome: &Outcome) -> String {
    let paint = Paint::for_stdout();
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    line(paint.bold(&visible(&outcome.title)));
    for seen in &outcome.seen {
        line(format!("  {}", paint.dim(&visible(seen))));
    }
    line(String::new());
    if outcome.is_sound() {
        line(paint.green("Nothing is wrong."));
    }
    for (number, finding) in outcome.findings.iter().enumerate() {
        if number > 0 || outcome.is_sound() {
            line(String::new());
        }
        let sure = match finding.sure {
            Sure::Certain => paint.green("certain"),
            other => paint.yellow(other.word()),
        };
        line(format!("{}  ({sure}, {})", paint.bold(&visible(&finding.cause)), finding.name));
        for seen in &finding.evidence {
            line(format!("  seen: {}", visible(seen)));
        }
        for (number, step) in finding.mend.iter().enumerate() {
            let first = if number == 0 { "  mend:" } else { "       " };
            let step = visible_lines(step).replace('\n', "\n          ");
            line(format!("{first} {step}"));
        }
    }
    text
}

/// For programs.
pub fn json(outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:#}", document(outcome));
    text
}

fn document(outcome: &Outcome) -> Value {
    let finding = |one: &Finding| {
        json!({
            "name": one.name,
            "cause": one.cause,
            "sure": one.sure.word(),
            "notice": one.is_notice,
            "evidence": one.evidence,
            "mend": one.mend,
        })
    };
    json!({
        "about": outcome.title,
        "ok": outcome.is_sound(),
        "seen": outcome.seen,
        "findings": outcome.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

/// For others: JSON in which the same word stands for the same name everywhere.
pub fn report(outcome: &Outcome) -> String {
    let mut mask = Mask::new();
    for (kind, word) in &outcome.secrets {
        mask.hide(kind, word);
    }
    let mut masked = document(outcome);
    hide(&mut masked, &mut mask);
    masked["program"] = json!(crate::VERSION);
    format!("{masked:#}\n")
}

fn hide(value: &mut Value, mask: &mut Mask) {
    match value {
        Value::String(text) => *text = mask.apply(text),
        Value::Array(list) => list.iter_mut().for_each(|one| hide(one, mask)),
        Value::Object(object) => object.values_mut().for_each(|one| hide(one, mask)),
        _ => {}
    }
}
